package libpod

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/seccomp"
	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage"
)

// checkReferences says at once what the description names and this host does not have: whoever creates a
// container learns it then, not when somebody starts it. A start looks again.
func (e *Engine) checkReferences(c *spec.Container) error {
	if err := checkFiles(c); err != nil {
		return err
	}
	if err := e.checkNamedDevices(c); err != nil {
		return err
	}
	for _, s := range sharings(c) {
		if err := s.check(); err != nil {
			return err
		}
	}
	if _, err := e.networkMode(c); err != nil {
		return err
	}
	_, err := e.connections(c, nil)
	return err
}

// identifyOthers puts ids where somebody named containers whose namespaces are to be shared: names move, and a name may begin another's id.
func (e *Engine) identifyOthers(c *spec.Container) error {
	for _, mode := range []*string{&c.PID, &c.IPC, &c.UTS, &c.Cgroup, &c.Network.Mode} {
		ref, ok := strings.CutPrefix(*mode, "container:")
		if !ok {
			continue
		}
		other, err := e.Whole(ref)
		if err != nil {
			return err
		}
		*mode = "container:" + other.Spec.ID
	}
	return nil
}

// identifyImages puts ids beside the names of images that are to be mounted: names move.
func (e *Engine) identifyImages(c *spec.Container) error {
	for i := range c.Mounts.List {
		m := &c.Mounts.List[i]
		if m.Type != spec.MountImage {
			continue
		}
		img, err := storage.Resolve(e.Config, m.Source)
		if errors.Is(err, storage.ErrNeedsFull) {
			return fmt.Errorf("cannot mount image %s: %w", m.Source, ErrUnpinned) // the full program comes here again
		}
		if err != nil {
			return err
		}
		m.ImageID = img.ID
	}
	return nil
}

// inheritVolumes mounts what the containers of --volumes-from have mounted; of several that have something at one place the last one's.
func (e *Engine) inheritVolumes(c *spec.Container) error {
	for i := len(c.VolumesFrom) - 1; i >= 0; i-- {
		from := &c.VolumesFrom[i]
		other, err := e.Whole(from.Container)
		if err != nil {
			return err
		}
		from.Container = other.Spec.ID
		c.Mounts.Inherit(&other.Spec.Mounts, from.Mode)
	}
	return nil
}

// checkFiles looks for the files and directories of the host's.
func checkFiles(c *spec.Container) error {
	if dir := c.Image.Rootfs; dir != "" {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			err = syscall.ENOTDIR
		}
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s as root file system: %w", dir, onHost(err))
		}
	}
	for _, m := range c.Mounts.List {
		if m.Type != spec.MountBind {
			continue
		}
		if _, err := os.Stat(m.Source); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot mount %s at %s: %w", m.Source, m.Target, onHost(err))
		}
	}
	for _, d := range c.Devices {
		if d.Name != "" {
			continue
		}
		if _, err := host.Devices(d.Host); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot give the container the device %s: %w", d.Host, onHost(err))
		}
	}
	if _, err := timezone(c); err != nil {
		return err
	}
	if profile, confined := c.SeccompProfile(); confined {
		return seccomp.Check(profile)
	}
	return nil
}

// sharing says whose namespace of a kind a container has.
type sharing struct {
	kind specs.LinuxNamespaceType
	file string // below /proc/PID/ns
	flag int    // of setns(2)
	mode string // as in spec.Namespaces
}

func sharings(c *spec.Container) []sharing {
	return []sharing{
		{specs.PIDNamespace, "pid", sys.ClonePID, c.PID},
		{specs.IPCNamespace, "ipc", sys.CloneIPC, c.IPC},
		{specs.UTSNamespace, "uts", sys.CloneUTS, c.UTS},
		{specs.CgroupNamespace, "cgroup", sys.CloneCgroup, c.Cgroup},
		{specs.NetworkNamespace, "net", sys.CloneNet, c.Network.Mode},
	}
}

// check tries to join a namespace that is given by its path: only the kernel knows whether we may.
func (s *sharing) check() error {
	path, ok := strings.CutPrefix(s.mode, "ns:")
	if !ok {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not hold us up
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot join the %s namespace %s: %w; give the path of one, such as /proc/PID/ns/%s", s.file, path, onHost(err), s.file)
	}
	defer f.Close()
	err = sys.OnThread(func() error { return sys.Setns(f, s.flag) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EINVAL):
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot join %s: it is no %s namespace; give the path of one, such as /proc/PID/ns/%s", path, s.file, s.file)
	case errors.Is(err, syscall.EPERM):
		return errdefs.Errorf(errdefs.ErrDenied, "cannot join the %s namespace %s: it does not belong to your user namespace; make one with moss unshare, or share the host's with host", s.file, path)
	}
	return fmt.Errorf("cannot join the %s namespace %s: %w", s.file, path, err)
}

// onHost says in words what a look at a path of the host's came to.
func onHost(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return errors.New("no such file or directory on the host")
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// NetworkNames are the networks that a container is on: those of its bridges, or what it has instead.
func (e *Engine) NetworkNames(c *spec.Container) []string {
	if c.Network.Mode != spec.NetworkBridge {
		return []string{c.Network.Mode}
	}
	names := make([]string, len(c.Networks))
	for i := range c.Networks {
		names[i] = c.Networks[i].Name
	}
	return names
}

// networkMode is the mode of package network. A namespace that somebody else made needs no set-up.
func (e *Engine) networkMode(c *spec.Container) (string, error) {
	mode := c.Network.Mode
	kind, _, _ := strings.Cut(mode, ":")
	switch kind {
	case "ns", "container":
		return network.ModeHost, nil
	case network.ModeNone, network.ModeHost, network.ModeSlirp, network.ModePasta, network.ModeBridge:
		return mode, nil
	}
	return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot use network %q: use the name of a network, none, host or container:NAME", mode)
}
