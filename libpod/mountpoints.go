package libpod

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// mountPoints is a directory that lies below every image as its lowest layer. It has the places where every container gets
// something mounted, so that those that an image lacks need not be made in the container's own layer, nor removed
// with it; and commit finds there only what the container did.
func (e *Engine) mountPoints() (string, error) {
	dir := filepath.Join(e.Store.Dir, "mountpoints")
	_, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = e.makeMountPoints(dir)
	}
	if err != nil {
		return "", errdefs.NoSpace(fmt.Errorf("cannot make the places for mounts: %w", err))
	}
	return dir, nil
}

// makeMountPoints makes it whole or not at all: others may be at it too.
func (e *Engine) makeMountPoints(dir string) (err error) {
	temp, err := os.MkdirTemp(e.Store.Dir, ".mountpoints-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	for _, d := range []string{"", "dev", "etc", "proc", "run", "sys"} {
		path := filepath.Join(temp, d)
		if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, 0o755)); err != nil { // whatever the umask
			return err
		}
	}
	for _, f := range []string{"etc/hostname", "etc/hosts", "etc/resolv.conf", "run/.containerenv"} {
		path := filepath.Join(temp, f)
		if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Chmod(path, 0o644)); err != nil {
			return err
		}
	}
	if err := os.Rename(temp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
