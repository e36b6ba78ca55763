package sys

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// StatAt is the state of one entry of dir, of a link itself.
func StatAt(dir *os.File, name string) (*syscall.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dirfd(dir), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, &os.PathError{Op: "fstatat", Path: nameAt(dir, name), Err: err}
	}
	return &syscall.Stat_t{
		Dev: st.Dev, Ino: st.Ino, Mode: st.Mode, Nlink: st.Nlink, Uid: st.Uid, Gid: st.Gid, Rdev: st.Rdev,
		Size: st.Size, Blksize: st.Blksize, Blocks: st.Blocks,
		Atim: syscall.Timespec(st.Atim), Mtim: syscall.Timespec(st.Mtim), Ctim: syscall.Timespec(st.Ctim),
	}, nil
}

// LinkAt gives an open file one more name.
func LinkAt(file, dir *os.File, name string) error {
	self := "/proc/self/fd/" + strconv.Itoa(dirfd(file))
	if err := unix.Linkat(unix.AT_FDCWD, self, dirfd(dir), name, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &os.LinkError{Op: "linkat", Old: file.Name(), New: nameAt(dir, name), Err: err}
	}
	return nil
}

// UnlinkAt removes an entry of an open directory that is no directory itself.
func UnlinkAt(dir *os.File, name string) error {
	if err := unix.Unlinkat(dirfd(dir), name, 0); err != nil {
		return &os.PathError{Op: "unlinkat", Path: nameAt(dir, name), Err: err}
	}
	return nil
}

// CopyLink copies a symbolic link, with its owner and times.
func CopyLink(from, to *os.File, name string, st *syscall.Stat_t) error {
	target, err := ReadlinkAt(from, name)
	if err != nil {
		return err
	}
	if err := LinkTo(target, to, name); err != nil {
		return err
	}
	return OwnAt(to, name, st)
}

// ReadlinkAt is what a symbolic link in dir says.
func ReadlinkAt(dir *os.File, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dirfd(dir), name, buf)
	if err != nil {
		return "", &os.PathError{Op: "readlinkat", Path: nameAt(dir, name), Err: err}
	}
	return string(buf[:n]), nil
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
	if err := unix.Fchmodat(dirfd(to), name, st.Mode&0o7777, 0); err != nil { // mknod heeds the umask
		return &os.PathError{Op: "fchmodat", Path: nameAt(to, name), Err: err}
	}
	return OwnAt(to, name, st)
}

// OwnAt gives one entry of dir, a link itself, the owner and the times in st.
func OwnAt(dir *os.File, name string, st *syscall.Stat_t) error {
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

// SeekData and SeekHole are for os.File's Seek: to what is next written, or not written, in a sparse file. See lseek(2).
const (
	SeekData = unix.SEEK_DATA
	SeekHole = unix.SEEK_HOLE
)

// Xattr is one extended attribute.
type Xattr struct {
	Name  string
	Value []byte
}

// CopyXattrs copies extended attributes between open files; see Xattrs.
func CopyXattrs(from, to *os.File) error {
	attrs, err := Xattrs(from)
	if err != nil {
		return err
	}
	for _, a := range attrs {
		if err := SetXattr(to, a); err != nil && !errors.Is(err, unix.ENOTSUP) {
			return err
		}
	}
	return nil
}

// Xattrs are the extended attributes of an open file that go with a copy, by name: file capabilities, ACLs and the user's own. Those
// that belong to the storage below (overlay's) or to the host's policy are left out.
func Xattrs(f *os.File) ([]Xattr, error) {
	names, err := xattrNames(f)
	if err != nil {
		return nil, err
	}
	var attrs []Xattr
	for _, name := range names {
		value := make([]byte, 64<<10) // XATTR_SIZE_MAX
		n, err := unix.Fgetxattr(dirfd(f), name, value)
		if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "getxattr " + name, Path: f.Name(), Err: err}
		}
		attrs = append(attrs, Xattr{Name: name, Value: value[:n]})
	}
	return attrs, nil
}

func xattrNames(f *os.File) (names []string, err error) {
	size, err := unix.Flistxattr(dirfd(f), nil)
	if err == unix.ENOTSUP || err == nil && size == 0 {
		return nil, nil
	}
	list := make([]byte, size)
	if err == nil {
		size, err = unix.Flistxattr(dirfd(f), list)
	}
	if err != nil {
		return nil, &os.PathError{Op: "flistxattr", Path: f.Name(), Err: err}
	}
	for name := range bytes.SplitSeq(list[:size], []byte{0}) {
		if CopiesXattr(string(name)) {
			names = append(names, string(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// CopiesXattr says whether an extended attribute of this name is one that goes with a copy.
func CopiesXattr(name string) bool {
	user := strings.HasPrefix(name, "user.") && !strings.HasPrefix(name, "user.overlay.")
	return user || name == "security.capability" || strings.HasPrefix(name, "system.posix_acl_")
}

// SetXattr sets one extended attribute of an open file.
func SetXattr(f *os.File, a Xattr) error {
	if err := unix.Fsetxattr(dirfd(f), a.Name, a.Value, 0); err != nil {
		return &os.PathError{Op: "setxattr " + a.Name, Path: f.Name(), Err: err}
	}
	return nil
}
