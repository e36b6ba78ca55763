package sys

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Attributes of a mount, from mount_setattr(2).
const (
	MountReadOnly = unix.MOUNT_ATTR_RDONLY
	MountNoSuid   = unix.MOUNT_ATTR_NOSUID
	MountNoDev    = unix.MOUNT_ATTR_NODEV
	MountNoExec   = unix.MOUNT_ATTR_NOEXEC
	MountNoAtime  = unix.MOUNT_ATTR_NOATIME
	MountNoDirAt  = unix.MOUNT_ATTR_NODIRATIME
	MountNoSymFol = unix.MOUNT_ATTR_NOSYMFOLLOW
	MountStrictAt = unix.MOUNT_ATTR_STRICTATIME
	MountAtime    = unix.MOUNT_ATTR__ATIME // the field that holds noatime and strictatime
)

// Propagation types of a mount, from mount_namespaces(7).
const (
	MountShared     = unix.MS_SHARED
	MountSlave      = unix.MS_SLAVE
	MountPrivate    = unix.MS_PRIVATE
	MountUnbindable = unix.MS_UNBINDABLE
)

// Magic numbers of file systems, from statfs(2).
const (
	MagicProc   = unix.PROC_SUPER_MAGIC
	MagicDevpts = unix.DEVPTS_SUPER_MAGIC
	MagicCgroup = unix.CGROUP2_SUPER_MAGIC
	MagicPipe   = unix.PIPEFS_MAGIC
	MagicSocket = unix.SOCKFS_MAGIC
)

// MountAttr is a change of a mount's attributes. The zero value changes nothing.
type MountAttr struct {
	Set, Clear  uint64 // of the Mount… attributes
	Propagation uint64 // one of the propagation types, or 0
}

// OpenTree makes a detached copy of the mount at path, relative to dir when dir is not nil; with path ""
// of dir itself. It vanishes with its descriptor unless MoveMount attaches it.
func OpenTree(dir *os.File, path string, recursive bool) (*os.File, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	fd, err := unix.OpenTree(dirfd(dir), path, flags)
	if err != nil {
		return nil, &os.PathError{Op: "open_tree", Path: nameAt(dir, path), Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// MayMount says whether this process may mount in its mount namespace: capabilities count in the user namespace that made
// that. It makes a mount that nobody sees.
func MayMount() (bool, error) {
	mount, err := OpenTree(nil, "/", true) // without what lies below, the kernel would refuse what a namespace may not uncover
	switch {
	case errors.Is(err, unix.EPERM):
		return false, nil
	case err != nil:
		return false, err
	}
	return true, mount.Close()
}

// MoveMount attaches a detached mount to the file or directory behind target.
func MoveMount(mount, target *os.File) error {
	const flags = unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH
	if err := unix.MoveMount(dirfd(mount), "", dirfd(target), "", flags); err != nil {
		return &os.PathError{Op: "move_mount", Path: target.Name(), Err: err}
	}
	return nil
}

// SetMountAttr changes a mount, and with recursive everything mounted below it. Flags that the kernel has
// locked in this user namespace stay as they are.
func SetMountAttr(mount *os.File, recursive bool, a MountAttr) error {
	if a == (MountAttr{}) {
		return nil
	}
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	attr := unix.MountAttr{Attr_set: a.Set, Attr_clr: a.Clear, Propagation: a.Propagation}
	if err := unix.MountSetattr(dirfd(mount), "", flags, &attr); err != nil {
		return &os.PathError{Op: "mount_setattr", Path: mount.Name(), Err: err}
	}
	return nil
}

// CanSetMountAttr says whether this kernel has mount_setattr(2), by a call that can only fail.
func CanSetMountAttr() bool {
	return !errors.Is(unix.MountSetattr(-1, "", 0, nil), unix.ENOSYS)
}

// NewMount makes a detached mount of a new file system. Options are written as for mount(8): "size=64k" or
// "nosuid" without the ones that are attributes of the mount, which go into attr.
func NewMount(fstype string, options []string, attr uint64) (*os.File, error) {
	fd, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot open the file system %s: %w", fstype, err)
	}
	return newMount(os.NewFile(uintptr(fd), fstype), fstype, options, attr)
}

// newMount is NewMount of a file system context, which it closes.
func newMount(fs *os.File, fstype string, options []string, attr uint64) (_ *os.File, err error) {
	defer fs.Close()
	fd := int(fs.Fd())
	for _, o := range options {
		if key, value, ok := strings.Cut(o, "="); ok {
			err = unix.FsconfigSetString(fd, key, value)
		} else {
			err = unix.FsconfigSetFlag(fd, key)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot set option %q of a %s: %w%s", o, fstype, err, fsLog(fs))
		}
	}
	if err := unix.FsconfigCreate(fd); err != nil {
		return nil, fmt.Errorf("cannot make the file system %s: %w%s", fstype, err, fsLog(fs))
	}
	m, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, int(attr))
	if err != nil {
		return nil, fmt.Errorf("cannot mount a %s: %w", fstype, err)
	}
	return os.NewFile(uintptr(m), fstype), nil
}

// fsLog is what the kernel said about the last failure of a file system context.
func fsLog(fs *os.File) string {
	buf := make([]byte, 1024)
	n, err := unix.Read(int(fs.Fd()), buf)
	if err != nil || n <= 2 {
		return ""
	}
	return " (" + strings.TrimSpace(string(buf[2:n])) + ")"
}

// Mount is mount(2), for what the newer calls cannot do: options longer than 256 bytes, as overlay's
// lowerdir, and changes of propagation by path.
func Mount(source, target, fstype string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		return &os.PathError{Op: "mount", Path: target, Err: err}
	}
	return nil
}

// SetPropagation changes the propagation of everything mounted at and below path.
func SetPropagation(path string, propagation uintptr, recursive bool) error {
	if recursive {
		propagation |= unix.MS_REC
	}
	return Mount("", path, "", propagation, "")
}

// OwnMounts gives the calling thread, which must be locked to its goroutine, a mount namespace of its own. Mounts of the
// others still arrive; none of its own goes out.
func OwnMounts() error {
	if err := Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("cannot make a mount namespace: %w", err)
	}
	return SetPropagation("/", MountSlave, true)
}

// BindMount binds source, a directory, and all below it onto target.
func BindMount(source, target string) error {
	return Mount(source, target, "", unix.MS_BIND|unix.MS_REC, "")
}

// Unmount detaches what is mounted at path; it goes away when its last user does.
func Unmount(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
		return &os.PathError{Op: "umount", Path: path, Err: err}
	}
	return nil
}

// PivotRoot makes the directory root, which must be a mount, the root of the mount namespace: see pivot_root(2),
// "pivot_root(".", ".")". The old one is still there, on top of it, where no path leads: LeaveRoot lets go of it.
func PivotRoot(root *os.File) (old *os.File, err error) {
	if err := unix.Fchdir(dirfd(root)); err != nil {
		return nil, fmt.Errorf("cannot enter the root file system: %w", err)
	}
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the old root: %w", err)
	}
	old = os.NewFile(uintptr(fd), "/")
	if err := unix.PivotRoot(".", "."); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot change the root file system: %w", err), old.Close())
	}
	return old, nil
}

// LeaveRoot unmounts and closes what PivotRoot returned, and enters the new root. The kernel waits meanwhile, for as long as a small
// program runs.
func LeaveRoot(old *os.File) error {
	defer old.Close()
	if err := unix.Fchdir(dirfd(old)); err != nil {
		return fmt.Errorf("cannot enter the old root: %w", err)
	}
	// As a slave, unmounting it here does not reach the host.
	if err := unix.Mount("", ".", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("cannot set the propagation of the old root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("cannot unmount the old root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("cannot enter the new root: %w", err)
	}
	return nil
}

// FsMagic is the kind of file system that an open file lies on: one of the Magic… numbers, or others.
func FsMagic(f *os.File) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(dirfd(f), &st); err != nil {
		return 0, &os.PathError{Op: "fstatfs", Path: f.Name(), Err: err}
	}
	return int64(st.Type), nil
}

// dirfd is the descriptor of a directory, the working directory when it is nil. File.Fd would also make the file
// blocking, which costs a call.
func dirfd(f *os.File) int {
	if f == nil {
		return unix.AT_FDCWD
	}
	return int(f.Fd())
}

func nameAt(dir *os.File, path string) string {
	if dir == nil {
		return path
	}
	return dir.Name() + "/" + path
}

// FreeSpace is how many bytes an ordinary user may still write to the file system of a path; without bound where that does not tell.
func FreeSpace(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	if st.Blocks == 0 {
		return math.MaxInt64, nil
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// FsSize is the size of the file system that an open file lies on, in bytes; without bound where that does not tell, as ramfs and many of FUSE.
func FsSize(f *os.File) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(dirfd(f), &st); err != nil {
		return 0, &os.PathError{Op: "fstatfs", Path: f.Name(), Err: err}
	}
	if st.Blocks == 0 {
		return math.MaxInt64, nil
	}
	return int64(st.Blocks) * st.Bsize, nil
}

// NoSuid says whether programs on the file system of path are executed without what setuid and file capabilities give them.
func NoSuid(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Flags&unix.ST_NOSUID != 0
}
