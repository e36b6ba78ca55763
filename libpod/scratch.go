package libpod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage"
)

// scratchDir has, in a container's directory, the upper layers of mounts with the option O.
const scratchDir = "scratch"

// emptyDir is an empty directory in a container's run directory.
const emptyDir = "empty"

// scratch is where the upper layers are, by the targets of their mounts. They are made when the container is there.
func (s *launch) scratch() (map[string]string, error) {
	dirs, dir := map[string]string{}, s.runDir // of a step, which is on a disk
	if s.l != nil {
		dir = s.l.Dir
	}
	for i, m := range s.c.Mounts.List {
		if m.Overlay {
			dirs[m.Target] = filepath.Join(dir, scratchDir, strconv.Itoa(i))
		}
	}
	return dirs, nil
}

// images are the layers of the images that are mounted, by the targets of their mounts. An overlay that nobody writes to takes two at least, so there
// is an empty one at last.
func (s *launch) images() (map[string][]string, error) {
	layers := map[string][]string{}
	for _, m := range s.c.Mounts.List {
		if m.Type != spec.MountImage {
			continue
		}
		img, err := storage.Resolve(s.Config, m.ImageID)
		if err != nil {
			return nil, fmt.Errorf("cannot mount image %s on %s: %w", m.Source, m.Target, err)
		}
		if len(img.Lower) == 0 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot mount image %s on %s: there is no file in it", m.Source, m.Target)
		}
		for _, dir := range img.Lower {
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(img.Home, dir)
			}
			layers[m.Target] = append(layers[m.Target], dir)
		}
		empty := filepath.Join(s.runDir, emptyDir)
		if err := os.MkdirAll(empty, 0o755); err != nil {
			return nil, errdefs.NoSpace(err)
		}
		layers[m.Target] = append(layers[m.Target], empty)
	}
	return layers, nil
}

// makeScratch makes the upper layers anew, so that nothing is left in them of an earlier start.
func (s *launch) makeScratch() error {
	dirs, err := s.scratch()
	if err != nil {
		return err
	}
	layers, err := s.images()
	if err != nil {
		return err
	}
	for _, m := range s.c.Mounts.List {
		if !m.Overlay {
			continue
		}
		source := m.Source
		switch m.Type {
		case spec.MountVolume:
			source = s.volumes[m.Source].Dir
		case spec.MountImage:
			source = layers[m.Target][0]
		}
		if err := emptyLayer(dirs[m.Target], source); err != nil {
			return errdefs.NoSpace(fmt.Errorf("cannot make a layer over %s for %s: %w", source, m.Target, err))
		}
	}
	return nil
}

// emptyLayer makes an empty layer. Its root is what the container sees instead of the source's.
func emptyLayer(dir, source string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return errdefs.Errorf(errdefs.ErrInvalid, "it is not a directory")
	}
	if err := sys.RemoveAll(dir); err != nil {
		return err
	}
	upper := filepath.Join(dir, spec.ScratchUpper)
	if err := errors.Join(os.MkdirAll(upper, 0o700), os.Mkdir(filepath.Join(dir, spec.ScratchWork), 0o700)); err != nil {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	err = os.Chown(upper, int(st.Uid), int(st.Gid))
	if errors.Is(err, syscall.EINVAL) {
		err = nil // an owner whom the user namespace does not have: it is the container's root's
	}
	return errors.Join(err, os.Chmod(upper, info.Mode()))
}
