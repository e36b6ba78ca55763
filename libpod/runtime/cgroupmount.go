package runtime

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/sys"
)

// cgroupTree is where the host's control groups are mounted.
const cgroupTree = "/sys/fs/cgroup"

func isCgroup(m *specs.Mount) bool { return m.Type == "cgroup" || m.Type == "cgroup2" }

// cgroupSource is the container's view of its control groups: of cgroup v2 its own tree; of the older hierarchies, where it has a group in them,
// a directory for mountGroups, and otherwise, as a user namespace cannot divide them, the host's, read-only.
func (r *rootfs) cgroupSource(attr uint64) (*os.File, error) {
	host, err := os.OpenFile(cgroupTree, sys.OPath|sys.ODirectory, 0)
	if err != nil {
		return nil, err
	}
	defer host.Close()
	magic, err := sys.FsMagic(host)
	if err != nil {
		return nil, err
	}
	if magic == sys.MagicCgroup {
		mount, err := sys.NewMount("cgroup2", nil, attr)
		if !isErrno(err, syscall.EPERM) && !isErrno(err, syscall.EBUSY) {
			return mount, err
		}
	} else if r.spec.Linux.CgroupsPath != "" {
		return r.groupPlaces()
	}
	return readOnlyCopy(cgroupTree)
}

// groupPlaces is a directory as the host's, with places for the hierarchies: file systems that the kernel mounts on no detached one before Linux 6.15.
func (r *rootfs) groupPlaces() (*os.File, error) {
	entries, err := os.ReadDir(cgroupTree)
	if err != nil {
		return nil, err
	}
	places, err := sys.NewMount("tmpfs", []string{"mode=755"}, 0)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		switch {
		case e.IsDir():
			r.groups = append(r.groups, e.Name())
			err = sys.Mkdirat(places, e.Name(), 0o755)
		case e.Type() == os.ModeSymlink: // cpu to cpu,cpuacct
			err = linkAsHost(places, e.Name())
		}
		if err != nil {
			return nil, errors.Join(err, places.Close())
		}
	}
	return places, nil
}

func linkAsHost(places *os.File, name string) error {
	link, err := os.Readlink(filepath.Join(cgroupTree, name))
	if err != nil {
		return err
	}
	return sys.Symlinkat(link, places, name)
}

// mountGroups mounts, of each hierarchy, the container's own group, where programs look for their limits.
func (r *rootfs) mountGroups(places *os.File, attr sys.MountAttr) error {
	for _, name := range r.groups {
		if err := r.mountGroup(places, name, attr); err != nil {
			return err
		}
	}
	return nil
}

func (r *rootfs) mountGroup(places *os.File, name string, attr sys.MountAttr) error {
	place, err := sys.OpenIn(places, name, sys.OPath|sys.ODirectory, sys.NoLinks)
	if err != nil {
		return err
	}
	defer place.Close()
	group, err := sys.OpenTree(nil, filepath.Join(cgroupTree, name, r.spec.Linux.CgroupsPath), true)
	if err == nil {
		defer group.Close()
		err = sys.SetMountAttr(group, true, attr)
	} else if errors.Is(err, os.ErrNotExist) {
		if group, err = readOnlyCopy(filepath.Join(cgroupTree, name)); err == nil {
			defer group.Close()
		}
	}
	if err != nil {
		return err
	}
	return sys.MoveMount(group, place)
}
