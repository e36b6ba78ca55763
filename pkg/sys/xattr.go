package sys

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ForgetUpper removes from a file of an overlay's upper directory what says where it was copied up from. Only that it is
// opaque or a whiteout stays: then it may serve as a lower directory of other overlays. A link is not followed.
func ForgetUpper(path string) error {
	names, err := listXattrs(path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !upperMark(name) {
			continue
		}
		if err := unix.Lremovexattr(path, name); err != nil {
			return &os.PathError{Op: "removexattr " + name, Path: path, Err: err}
		}
	}
	return nil
}

// upperMark knows the names that overlayfs uses, without and with the option userxattr.
func upperMark(name string) bool {
	for _, prefix := range []string{"trusted.overlay.", "user.overlay."} {
		if mark, ok := strings.CutPrefix(name, prefix); ok {
			return mark != "opaque" && mark != "whiteout" && mark != "whiteouts"
		}
	}
	return false
}

// CopyAllXattrs copies the extended attributes that a layer's directory may have, those of an overlay too.
func CopyAllXattrs(from, to string) error {
	names, err := listXattrs(from)
	if err != nil {
		return err
	}
	value := make([]byte, 64<<10) // XATTR_SIZE_MAX
	for _, name := range names {
		if strings.HasPrefix(name, "security.") && name != "security.capability" {
			continue // the host's policy labels files itself
		}
		n, err := unix.Lgetxattr(from, name, value)
		if err == nil {
			err = unix.Lsetxattr(to, name, value[:n], 0)
		}
		if err != nil && !errors.Is(err, unix.ENODATA) {
			return &os.PathError{Op: "setxattr " + name, Path: to, Err: err}
		}
	}
	return nil
}

// listXattrs are the names of a file's extended attributes that this process may see.
func listXattrs(path string) ([]string, error) {
	buf := make([]byte, 1<<10)
	n, err := unix.Llistxattr(path, buf)
	if errors.Is(err, unix.ERANGE) {
		buf = make([]byte, 64<<10) // XATTR_LIST_MAX
		n, err = unix.Llistxattr(path, buf)
	}
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "listxattr", Path: path, Err: err}
	}
	var names []string
	for name := range bytes.SplitSeq(buf[:n], []byte{0}) {
		if len(name) > 0 {
			names = append(names, string(name))
		}
	}
	return names, nil
}

// SetLinkTimes sets the times of path itself, nanoseconds included.
func SetLinkTimes(path string, access, modify syscall.Timespec) error {
	times := []unix.Timespec{unix.Timespec(access), unix.Timespec(modify)}
	err := unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return &os.PathError{Op: "utimensat", Path: path, Err: err}
	}
	return nil
}

// WidenPipe lets a pipe hold more, where the kernel allows it: fewer switches between its ends.
func WidenPipe(pipe *os.File, size int) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	// What a user's pipes may hold is bounded; a narrow one works too.
	_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, size) })
}

// Opaque says whether an open directory of an overlay's layer hides what the layers below have there.
func Opaque(dir *os.File) (bool, error) {
	for _, name := range []string{"trusted.overlay.opaque", "user.overlay.opaque"} {
		value := make([]byte, 8)
		n, err := unix.Fgetxattr(int(dir.Fd()), name, value)
		switch {
		case err == nil && string(value[:n]) == "y":
			return true, nil
		case err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.ERANGE):
			return false, &os.PathError{Op: "fgetxattr", Path: dir.Name(), Err: err}
		}
	}
	return false, nil
}
