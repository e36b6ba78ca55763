package runtime

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/mosscontainers/moss/pkg/sys"
)

// existing opens a path that may be missing (nil then), or lie below a file.
func (r *rootfs) existing(name string) (*os.File, error) {
	f, err := r.open(name, sys.FollowInRoot)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	return f, err
}

// readOnlyPaths mounts each path, where it exists, over itself read-only.
func (r *rootfs) readOnlyPaths(paths []string) error {
	for _, p := range paths {
		if err := r.readOnlyPath(p); err != nil {
			return fmt.Errorf("cannot make %s read-only: %w", p, err)
		}
	}
	return nil
}

func (r *rootfs) readOnlyPath(name string) error {
	target, err := r.existing(name)
	if err != nil || target == nil {
		return err
	}
	defer target.Close()
	mount, err := sys.OpenTree(target, "", true)
	if err != nil {
		return err
	}
	defer mount.Close()
	if err := sys.SetMountAttr(mount, true, sys.MountAttr{Set: sys.MountReadOnly}); err != nil {
		return err
	}
	return sys.MoveMount(mount, target)
}

// mask covers each path, where it exists: files with /dev/null, directories with an empty read-only tmpfs.
func (r *rootfs) mask(paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	null, err := openNull()
	if err != nil {
		return err
	}
	defer null.Close()
	var empty *os.File // one file system serves all directories
	defer func() { closeAll(empty) }()
	for _, p := range paths {
		if err := r.maskPath(p, null, &empty); err != nil {
			return fmt.Errorf("cannot hide %s: %w", p, err)
		}
	}
	return nil
}

func (r *rootfs) maskPath(name string, null *os.File, empty **os.File) error {
	target, err := r.existing(name)
	if err != nil || target == nil {
		return err
	}
	defer target.Close()
	st, err := target.Stat()
	if err != nil {
		return err
	}
	cover := null
	if st.IsDir() {
		if *empty == nil {
			*empty, err = sys.NewMount("tmpfs", []string{"size=0", "mode=0555"},
				sys.MountReadOnly|sys.MountNoExec|sys.MountNoDev|sys.MountNoSuid)
			if err != nil {
				return err
			}
			return sys.MoveMount(*empty, target)
		}
		cover = *empty
	}
	mount, err := sys.OpenTree(cover, "", false)
	if err != nil {
		return err
	}
	defer mount.Close()
	return sys.MoveMount(mount, target)
}

// openNull opens the host's /dev/null and makes sure that it is it (CVE-2025-31133).
func openNull() (*os.File, error) {
	f, err := os.OpenFile(os.DevNull, sys.OPath|sys.ONoFollow, 0)
	if err != nil {
		return nil, err
	}
	if err := checkDevice(f, syscall.S_IFCHR, 1, 3); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// checkDevice makes sure that an open file is a certain device.
func checkDevice(f *os.File, kind uint32, major, minor int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	gotMajor, gotMinor := sys.DeviceNumber(st.Rdev)
	if st.Mode&syscall.S_IFMT != kind || gotMajor != major || gotMinor != minor {
		return fmt.Errorf("%s is not the device %d:%d", f.Name(), major, minor)
	}
	return nil
}
