package runtime

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// rootfs is a container's root file system while it is put together. Everything in it is reached from
// the descriptor root, and no path of it is ever joined to one of the host.
type rootfs struct {
	bundle *Bundle
	spec   *specs.Spec
	root   *os.File
	proc   *os.File  // its /proc, once it is mounted
	dev    bool      // /dev is ours to fill
	user   *identity // of the container's process, once it is known
	groups []string  // the hierarchies that mountGroups mounts
	// newProc makes a procfs of its PID namespace, as sys.NewMount does.
	newProc func(options []string, attr uint64) (*os.File, error)
}

// close lets go of what only putting it together needs.
func (r *rootfs) close() { closeAll(r.proc) }

// newRootfs mounts the root directory of the container.
func newRootfs(b *Bundle) (*rootfs, error) {
	if err := setRootPropagation(b.Spec.Linux.RootfsPropagation); err != nil {
		return nil, err
	}
	target := mountPoint(b.RunDir)
	if b.Overlay == nil {
		target = b.Spec.Root.Path // where hooks look for it
	}
	if shares(b.Spec.Linux.RootfsPropagation) {
		if err := mountApart(target); err != nil {
			return nil, fmt.Errorf("cannot use %s as root file system: %w", target, err)
		}
	}
	if o := b.Overlay; o != nil {
		if err := o.mount(target); err != nil {
			return nil, err
		}
	} else {
		if err := sys.BindMount(target, target); err != nil {
			return nil, fmt.Errorf("cannot use %s as root file system: %w", target, err)
		}
	}
	root, err := os.OpenFile(target, sys.OPath|sys.ODirectory, 0)
	if err != nil {
		return nil, err
	}
	if b.Overlay == nil {
		if err := sys.SetMountAttr(root, true, sys.MountAttr{Set: sys.MountNoDev}); err != nil {
			root.Close()
			return nil, fmt.Errorf("cannot use %s as root file system: %w", b.Spec.Root.Path, err)
		}
	}
	return &rootfs{bundle: b, spec: b.Spec, root: root}, nil
}

// mountPoint is where the root directory is mounted, in the container's mount namespace only.
func mountPoint(runDir string) string { return filepath.Join(runDir, "rootfs") }

// setRootPropagation decides whether mounts of the host appear in the container, and the other way round.
func setRootPropagation(want string) error {
	a, recursive, ok := propagation(want)
	if want == "" {
		a, recursive, ok = sys.MountSlave, true, true
	}
	if !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the propagation %q: it is one of [r]shared, [r]slave, [r]private, [r]unbindable", want)
	}
	return sys.SetPropagation("/", uintptr(a), recursive)
}

// shares says whether a propagation lets mounts out of the container.
func shares(propagation string) bool { return strings.TrimPrefix(propagation, "r") == "shared" }

// mountApart keeps what will be mounted at path from the host, and lets it become a root: pivot_root(2) takes none that is shared or
// lies on what is.
func mountApart(path string) error {
	dir, err := os.OpenFile(path, sys.OPath|sys.ODirectory, 0)
	if err != nil {
		return err
	}
	top, err := mountRoot(dir)
	if err != nil {
		return err
	}
	defer top.Close()
	return sys.SetMountAttr(top, false, sys.MountAttr{Propagation: sys.MountPrivate})
}

// mountRoot goes up from a directory, which it closes, to the root of the mount that it lies on.
func mountRoot(dir *os.File) (*os.File, error) {
	for {
		above, err := sys.OpenIn(dir, "..", sys.OPath|sys.ODirectory, sys.SameMount)
		if errors.Is(err, syscall.EXDEV) {
			return dir, nil
		}
		if err != nil {
			return nil, errors.Join(err, dir.Close())
		}
		same, err := sameFile(above, dir) // the root of everything is above itself
		if err != nil || same {
			return above, errors.Join(err, dir.Close())
		}
		if err := dir.Close(); err != nil {
			return nil, errors.Join(err, above.Close())
		}
		dir = above
	}
}

func sameFile(a, b *os.File) (bool, error) {
	first, err := a.Stat()
	if err != nil {
		return false, err
	}
	second, err := b.Stat()
	return err == nil && os.SameFile(first, second), err
}

// populate mounts and creates everything in the root directory.
func (r *rootfs) populate(s *stage) error {
	for _, c := range r.bundle.CopyUp {
		if err := r.copyUp(c); err != nil {
			return err
		}
	}
	r.dev, r.user = true, s.user
	for i := range r.spec.Mounts {
		m := &r.spec.Mounts[i]
		if path.Clean(m.Destination) == "/dev" && m.Type == "bind" {
			r.dev = false
		}
		if err := r.mount(m); err != nil {
			return fmt.Errorf("cannot mount %s at %s: %w", describe(m), m.Destination, err)
		}
	}
	if err := r.makeDevices(); err != nil {
		return err
	}
	if s.proc.Terminal {
		if err := s.openTerminal(r); err != nil {
			return err
		}
	}
	if err := s.makeCwd(r); err != nil {
		return err
	}
	if err := r.setSysctls(); err != nil {
		return err
	}
	return r.restrict()
}

func describe(m *specs.Mount) string {
	switch {
	case m.Type == "overlay":
		return "an overlay"
	case m.Source == "" || m.Source == m.Type:
		return "a " + m.Type
	}
	return m.Source
}

// restrict hides and write-protects what the configuration names.
func (r *rootfs) restrict() error {
	if err := r.readOnlyPaths(r.spec.Linux.ReadonlyPaths); err != nil {
		return err
	}
	if err := r.mask(r.spec.Linux.MaskedPaths); err != nil {
		return err
	}
	if !r.readOnly() {
		return nil
	}
	if err := sys.SetMountAttr(r.root, false, sys.MountAttr{Set: sys.MountReadOnly}); err != nil {
		return fmt.Errorf("cannot make the root file system read-only: %w", err)
	}
	return nil
}

func (r *rootfs) readOnly() bool {
	return r.spec.Root != nil && r.spec.Root.Readonly || r.bundle.Overlay != nil && r.bundle.Overlay.ReadOnly
}

// enter makes the root directory the root of the process, and finds the working directory in it.
func (r *rootfs) enter(s *stage) (err error) {
	if s.oldRoot, err = sys.PivotRoot(r.root); err != nil {
		return err
	}
	s.spread = r.spec.Linux.RootfsPropagation
	return s.openCwd()
}

// leave has nothing left of the old root. Only then the new one may share its mounts.
func (s *stage) leave() error {
	if s.oldRoot == nil {
		return nil
	}
	if err := sys.LeaveRoot(s.oldRoot); err != nil || !shares(s.spread) {
		return err
	}
	return setRootPropagation(s.spread)
}

// openCwd opens the working directory, inside of the container's root whatever its name leads to.
func (s *stage) openCwd() error {
	dir, err := s.lookUp(s.proc.Cwd, sys.OPath|sys.ODirectory)
	switch {
	case err == nil:
		s.cwd = dir
		return nil
	case errors.Is(err, syscall.ENOENT):
		return errdefs.Errorf(errdefs.ErrNoCommand, "cannot use the working directory %q: there is no such directory in the container", s.proc.Cwd)
	case errors.Is(err, syscall.ELOOP):
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the working directory %q: it leads out of the container", s.proc.Cwd)
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the working directory %q: %w", s.proc.Cwd, err)
}

// makeCwd creates a working directory that is not there, as Docker does.
func (s *stage) makeCwd(r *rootfs) error {
	there, err := s.lookUp(s.proc.Cwd, sys.OPath)
	if !errors.Is(err, syscall.ENOENT) {
		closeAll(there)
		return nil // openCwd tells what is wrong with it
	}
	dir, err := r.mkdirAll(s.proc.Cwd)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot create the working directory %q: %w", s.proc.Cwd, err)
	}
	return dir.Close()
}

// lookUp opens a path in the container: its first process's working directory, as that understands it.
func (s *stage) lookUp(path string, flags int) (*os.File, error) {
	f, err := sys.OpenIn(s.root, path, flags, sys.FollowInRoot)
	if s.beside != nil && errors.Is(err, syscall.ENOENT) { // a thread outside of its PID namespace finds no /proc/self
		return s.beside.embryo.OpenIn(s.root, path, flags, sys.FollowInRoot)
	}
	return f, err
}

// setSysctls writes kernel parameters.
func (r *rootfs) setSysctls() (err error) {
	if len(r.spec.Linux.Sysctl) == 0 {
		return nil
	}
	proc := r.proc
	if proc == nil { // it shows the parameters of this process's namespaces too
		if proc, err = hostProc(); err != nil {
			return fmt.Errorf("cannot set kernel parameters: %w", err)
		}
		defer proc.Close()
	}
	for key, value := range r.spec.Linux.Sysctl {
		if err := setSysctl(proc, key, value); err != nil {
			return fmt.Errorf("cannot set the kernel parameter %s to %q: %w", key, value, err)
		}
	}
	return nil
}

// hostProc opens the host's /proc, and makes sure that it is one.
func hostProc() (*os.File, error) {
	proc, err := os.OpenFile("/proc", sys.OPath|sys.ODirectory, 0)
	if err != nil {
		return nil, err
	}
	if magic, err := sys.FsMagic(proc); err != nil || magic != sys.MagicProc {
		return nil, errors.Join(err, errors.New("/proc is no procfs"), proc.Close())
	}
	return proc, nil
}

// setSysctl writes to a file of the kernel's, and to nothing that is mounted over it.
func setSysctl(proc *os.File, key, value string) error {
	f, err := sys.OpenIn(proc, "sys/"+strings.ReplaceAll(key, ".", "/"), os.O_WRONLY, sys.NoLinks|sys.SameMount)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(value); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
