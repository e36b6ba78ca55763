package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/build/fileop"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// mounts are those of one RUN. What has to be mounted first, and what must not be left behind on disk, is made on the step's own thread,
// in a mount namespace of its own: it goes with the step.
type mounts struct {
	*execution
	dir     string
	todo    []func() error // on the step's thread
	caches  map[*pb.Mount]*cacheMount
	closers []io.Closer
}

// places has what is mounted on, and lies below all layers: so what an image lacks of it does not become a part of the step's layer.
func (m *mounts) places() string { return filepath.Join(m.dir, "places") }

// private is where a tmpfs is mounted that nobody else sees.
func (m *mounts) private() string { return filepath.Join(m.dir, "private") }

func (m *mounts) close() error {
	var errs []error
	for i := len(m.closers) - 1; i >= 0; i-- {
		errs = append(errs, m.closers[i].Close())
	}
	return errors.Join(errs...)
}

// add adds the mounts of the operation to a description.
func (m *mounts) add(ctx context.Context, c *spec.Container) error {
	for _, dir := range []string{m.places(), m.private()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("cannot make a place for mounts: %w", err)
		}
	}
	if err := m.openCaches(ctx); err != nil {
		return err
	}
	for i, pm := range m.op.Mounts {
		if pm.Dest == "/" {
			continue
		}
		one, isFile, err := m.mount(ctx, strconv.Itoa(i), pm)
		if err != nil {
			return cannotMount(pm, err)
		}
		if one == nil {
			continue
		}
		one.Target = filepath.Clean("/" + pm.Dest)
		c.Mounts.List = append(c.Mounts.List, *one)
		if err := m.place(one.Target, isFile); err != nil {
			return err
		}
	}
	return m.secretEnv(c)
}

func cannotMount(pm *pb.Mount, err error) error {
	return fmt.Errorf("cannot mount on %s: %w", pm.Dest, err)
}

// place makes the place of a mount. The directories that lead to it are the image's where it has them.
func (m *mounts) place(target string, isFile bool) error {
	path := filepath.Join(m.places(), target)
	dir := path
	if isFile {
		dir = filepath.Dir(path)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make a place for mounts: %w", err)
	}
	if !isFile {
		return nil
	}
	return os.WriteFile(path, nil, 0o644)
}

// mount is one mount; nil where nothing is to be mounted. isFile says that it is no directory.
func (m *mounts) mount(ctx context.Context, name string, pm *pb.Mount) (one *spec.Mount, isFile bool, err error) {
	switch pm.MountType {
	case pb.MountType_BIND:
		return m.bind(ctx, name, pm)
	case pb.MountType_TMPFS:
		one = &spec.Mount{Type: spec.MountTmpfs}
		if size := pm.GetTmpfsOpt().GetSize(); size > 0 {
			one.Options = []string{fmt.Sprintf("size=%d", size)}
		}
		return one, false, nil
	case pb.MountType_CACHE:
		return &spec.Mount{Type: spec.MountBind, Source: m.caches[pm].dir, ReadOnly: pm.Readonly}, false, nil
	case pb.MountType_SECRET:
		one, err = m.secret(name, pm.SecretOpt)
		return one, true, err
	case pb.MountType_SSH:
		one, err = m.agent(name, pm.SSHOpt)
		return one, true, err
	}
	return nil, false, errdefs.Errorf(errdefs.ErrUnavailable, "mounts of the kind %s are not known", pm.MountType)
}

// bind shows a part of an input. What is written to it is dropped.
func (m *mounts) bind(ctx context.Context, name string, pm *pb.Mount) (*spec.Mount, bool, error) {
	var in result
	if pm.Input != none {
		in = m.inputs[pm.Input]
	}
	o, err := m.layersOf(ctx, name, in)
	if err != nil {
		return nil, false, err
	}
	target := filepath.Join(m.dir, "bind-"+name)
	scratch := filepath.Join(m.dir, "scratch-"+name)
	o.Upper, o.Work = filepath.Join(scratch, "upper"), filepath.Join(scratch, "work")
	for _, dir := range []string{target, o.Upper, o.Work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, false, err
		}
	}
	path, isFile, err := m.selected(in, pm.Selector)
	if err != nil {
		return nil, false, err
	}
	m.todo = append(m.todo, func() error { return o.Mount(target) })
	return &spec.Mount{Type: spec.MountBind, Source: filepath.Join(target, path), ReadOnly: pm.Readonly}, isFile, nil
}

// layersOf are the layers with what an input shows. What a context shows is copied: there may be patterns of what it does not.
func (m *mounts) layersOf(ctx context.Context, name string, in result) (*runtime.Overlay, error) {
	if in.tree == nil && len(in.layers) > 0 {
		return m.overlay(in.layers)
	}
	dir := filepath.Join(m.dir, "copy-"+name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	o := &runtime.Overlay{Home: m.dir, Lower: []string{dir}, UserXattr: m.facts.OverlayUserXattr(), Volatile: true}
	if in.tree == nil {
		return o, nil
	}
	all := &pb.FileAction{Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{Src: "/", Dest: "/", DirCopyContents: true, Mode: -1, Timestamp: -1}}}
	return o, fileop.Apply(ctx, all, fileop.Options{Dest: dir, Source: in.tree})
}

// selected says where a path is in an input, links resolved, and whether it is no directory.
func (m *mounts) selected(in result, selector string) (path string, isFile bool, err error) {
	r, err := m.open(in)
	if err != nil {
		return "", false, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	top, err := os.OpenFile(r.Root, sys.OPath|sys.ODirectory, 0)
	if err != nil {
		return "", false, err
	}
	defer top.Close()
	f, err := sys.OpenIn(top, filepath.Join("/", selector), sys.OPath, sys.FollowInRoot)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", false, err
	}
	path, err = sys.PathIn(top, f)
	return path, !info.IsDir(), err
}

// enter is called on the step's thread.
func (m *mounts) enter() error {
	if err := sys.OwnMounts(); err != nil {
		return err
	}
	if err := sys.Mount("tmpfs", m.private(), "tmpfs", 0, "mode=0700"); err != nil {
		return fmt.Errorf("cannot make a place for secrets: %w", err)
	}
	for _, do := range m.todo {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}
