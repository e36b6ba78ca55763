package sys

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Flags of OpenIn that package os does not have.
const (
	OPath      = unix.O_PATH
	ODirectory = unix.O_DIRECTORY
	ONoFollow  = unix.O_NOFOLLOW
	ONonblock  = unix.O_NONBLOCK
	ONoCtty    = unix.O_NOCTTY
)

// Ways of OpenIn to treat links.
const (
	FollowInRoot = unix.RESOLVE_IN_ROOT                            // links lead to somewhere below the root
	NoLinks      = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS // any link is ELOOP
	SameMount    = unix.RESOLVE_NO_XDEV                            // with one of them: what is mounted below the root is EXDEV
)

// OpenIn opens a path below the directory root, which nothing in it can leave: no link, no "..", no magic
// link of /proc. See openat2(2).
func OpenIn(root *os.File, path string, flags int, resolve uint64) (*os.File, error) {
	return openIn(path, flags, resolve, func(how *unix.OpenHow) (int, error) { return unix.Openat2(dirfd(root), path, how) })
}

func openIn(path string, flags int, resolve uint64, open func(*unix.OpenHow) (int, error)) (*os.File, error) {
	how := unix.OpenHow{Flags: uint64(flags) | unix.O_CLOEXEC, Resolve: resolve | unix.RESOLVE_NO_MAGICLINKS}
	for tries := 0; ; tries++ {
		fd, err := open(&how)
		if err == nil {
			return os.NewFile(uintptr(fd), path), nil
		}
		// EAGAIN says that something was renamed or mounted during the walk of "..".
		if again := err == unix.EAGAIN || err == unix.EINTR; !again || tries > 128 {
			return nil, &os.PathError{Op: "openat2", Path: path, Err: err}
		}
	}
}

// Mkdirat makes one directory in dir. That it exists already is no error.
func Mkdirat(dir *os.File, name string, mode uint32) error {
	err := unix.Mkdirat(dirfd(dir), name, mode)
	if err != nil && err != unix.EEXIST {
		return &os.PathError{Op: "mkdirat", Path: nameAt(dir, name), Err: err}
	}
	return nil
}

// MakeDirAt makes one directory in dir, for this user alone. That it exists already is an error.
func MakeDirAt(dir *os.File, name string) error {
	if err := unix.Mkdirat(dirfd(dir), name, 0o700); err != nil {
		return &os.PathError{Op: "mkdirat", Path: nameAt(dir, name), Err: err}
	}
	return nil
}

// CreateAt makes one empty file in dir, or opens the one that is there; a link is an error.
func CreateAt(dir *os.File, name string, mode uint32) (*os.File, error) {
	fd, err := unix.Openat(dirfd(dir), name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, mode)
	if errors.Is(err, unix.EEXIST) {
		fd, err = unix.Openat(dirfd(dir), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, &os.PathError{Op: "openat", Path: nameAt(dir, name), Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Symlinkat makes one symbolic link in dir. That the name exists already is no error.
func Symlinkat(target string, dir *os.File, name string) error {
	err := unix.Symlinkat(target, dirfd(dir), name)
	if err != nil && err != unix.EEXIST {
		return &os.PathError{Op: "symlinkat", Path: nameAt(dir, name), Err: err}
	}
	return nil
}

// LinkTo makes one symbolic link in dir. That the name exists already is an error.
func LinkTo(target string, dir *os.File, name string) error {
	if err := unix.Symlinkat(target, dirfd(dir), name); err != nil {
		return &os.PathError{Op: "symlinkat", Path: nameAt(dir, name), Err: err}
	}
	return nil
}

// MknodAt makes one device node in dir. mode has the S_IF… type in it.
func MknodAt(dir *os.File, name string, mode uint32, major, minor int64) error {
	dev := unix.Mkdev(uint32(major), uint32(minor))
	if err := unix.Mknodat(dirfd(dir), name, mode, int(dev)); err != nil {
		return &os.PathError{Op: "mknodat", Path: nameAt(dir, name), Err: err}
	}
	return nil
}

// ChownAt changes the owner of one entry of dir, of a link itself and not of what it leads to; with the name "" that of dir, which may
// be any file.
func ChownAt(dir *os.File, name string, uid, gid int) error {
	if err := unix.Fchownat(dirfd(dir), name, uid, gid, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "fchownat", Path: nameAt(dir, name), Err: err}
	}
	return nil
}

// PathIn is the path of what f is open on, below the directory top: both were opened in one mount, and nobody renames anything there.
func PathIn(top, f *os.File) (string, error) {
	base, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", top.Fd()))
	if err != nil {
		return "", err
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(strings.TrimPrefix(path, strings.TrimSuffix(base, "/")), "/"), nil
}

// ReadRegular reads a file below the directory root, of at most limit bytes. One that is no regular file is refused before it is
// opened, so that a FIFO cannot hold us and a device is not touched. It needs this process's /proc.
func ReadRegular(root *os.File, path string, limit int64) ([]byte, error) {
	handle, err := OpenIn(root, path, OPath, FollowInRoot)
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	st, err := handle.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", handle.Fd()))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("it is larger than %d bytes", limit)
	}
	return b, err
}
