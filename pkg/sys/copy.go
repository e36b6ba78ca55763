package sys

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// StatAt is the state of one entry of dir, of a link itself.
func StatAt(dir *os.File, name string) (*syscall.Stat_t, error) {
	fd, err := unix.Openat(dirfd(dir), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "openat", Path: nameAt(dir, name), Err: err}
	}
	defer unix.Close(fd)
	st := &syscall.Stat_t{}
	if err := syscall.Fstat(fd, st); err != nil {
		return nil, &os.PathError{Op: "fstat", Path: nameAt(dir, name), Err: err}
	}
	return st, nil
}

// LinkAt gives an open file one more name.
func LinkAt(file, dir *os.File, name string) error {
	self := "/proc/self/fd/" + strconv.Itoa(dirfd(file))
	if err := unix.Linkat(unix.AT_FDCWD, self, dirfd(dir), name, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &os.LinkError{Op: "linkat", Old: file.Name(), New: nameAt(dir, name), Err: err}
	}
	return nil
}

// CopyLink copies a symbolic link, with its owner and times.
func CopyLink(from, to *os.File, name string, st *syscall.Stat_t) error {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dirfd(from), name, buf)
	if err != nil {
		return &os.PathError{Op: "readlinkat", Path: nameAt(from, name), Err: err}
	}
	if err := unix.Symlinkat(string(buf[:n]), dirfd(to), name); err != nil {
		return &os.PathError{Op: "symlinkat", Path: nameAt(to, name), Err: err}
	}
	return ownNode(to, name, st)
}

// CopyNode makes a FIFO or a device like the one that st describes. Devices that this user may not make are left out.
func CopyNode(to *os.File, name string, st *syscall.Stat_t) error {
	err := unix.Mknodat(dirfd(to), name, st.Mode, int(st.Rdev))
	if err == unix.EPERM && st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "mknodat", Path: nameAt(to, name), Err: err}
	}
	return ownNode(to, name, st)
}

func ownNode(dir *os.File, name string, st *syscall.Stat_t) error {
	if err := ChownAt(dir, name, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	times := []unix.Timespec{unix.Timespec(st.Atim), unix.Timespec(st.Mtim)}
	if err := unix.UtimesNanoAt(dirfd(dir), name, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "utimensat", Path: nameAt(dir, name), Err: err}
	}
	return nil
}

// Fchmod sets all twelve permission bits.
func Fchmod(f *os.File, mode uint32) error {
	if err := unix.Fchmod(dirfd(f), mode); err != nil {
		return &os.PathError{Op: "fchmod", Path: f.Name(), Err: err}
	}
	return nil
}

// SetTimes makes an open file's times those in st.
func SetTimes(f *os.File, st *syscall.Stat_t) error {
	times := []unix.Timespec{unix.Timespec(st.Atim), unix.Timespec(st.Mtim)}
	if err := unix.UtimesNanoAt(dirfd(f), "", times, unix.AT_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "utimensat", Path: f.Name(), Err: err}
	}
	return nil
}

// CopyXattrs copies extended attributes between open files: file capabilities, ACLs and the user's own; those that
// belong to the storage below (overlay's) or to the host's policy stay behind.
func CopyXattrs(from, to *os.File) error {
	size, err := unix.Flistxattr(dirfd(from), nil)
	if err == unix.ENOTSUP || err == nil && size == 0 {
		return nil
	}
	names := make([]byte, size)
	if err == nil {
		size, err = unix.Flistxattr(dirfd(from), names)
	}
	if err != nil {
		return &os.PathError{Op: "flistxattr", Path: from.Name(), Err: err}
	}
	for name := range bytes.SplitSeq(names[:size], []byte{0}) {
		if err := copyXattr(from, to, string(name)); err != nil {
			return err
		}
	}
	return nil
}

func copyXattr(from, to *os.File, name string) error {
	user := strings.HasPrefix(name, "user.") && !strings.HasPrefix(name, "user.overlay.")
	if !user && name != "security.capability" && !strings.HasPrefix(name, "system.posix_acl_") {
		return nil
	}
	value := make([]byte, 64<<10) // XATTR_SIZE_MAX
	n, err := unix.Fgetxattr(dirfd(from), name, value)
	if err == nil {
		err = unix.Fsetxattr(dirfd(to), name, value[:n], 0)
	}
	if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.ENODATA) {
		return &os.PathError{Op: "setxattr " + name, Path: to.Name(), Err: err}
	}
	return nil
}
