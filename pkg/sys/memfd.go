package sys

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// SealedProgram makes an executable memory file with this content that nobody can ever write to, not
// even a process that opens it through /proc/self/exe (memfd_create(2), F_ADD_SEALS).
func SealedProgram(name string, content []byte) (*os.File, error) {
	const mfdExec = 0x10 // MFD_EXEC: Linux 6.3; older kernels know no other kind
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|mfdExec)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make a memory file for %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(content); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot fill the memory file for %s: %w", name, err)
	}
	if err := seal(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot seal the memory file for %s: %w", name, err)
	}
	return f, nil
}

// ProgramOf is a path to the memory file of SealedProgram whose name begins so, of a process that runs it, or keeps it open for later.
func ProgramOf(pid int, name string) (path string, ok bool) {
	is := func(link string) bool { return strings.HasPrefix(link, "/memfd:"+name) }
	exe := fmt.Sprintf("/proc/%d/exe", pid)
	if link, err := os.Readlink(exe); err == nil && is(link) {
		return exe, true
	}
	for path, link := range Descriptors(pid) {
		if is(link) {
			return path, true
		}
	}
	return "", false
}

// seal forbids all that is to come, as nobody has mapped the file. F_SEAL_WRITE would besides have the kernel wait until nobody looks at its
// pages, which takes as long as all processors need to empty their lists, and give up (EBUSY) where it is moving one.
func seal(f *os.File) error {
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals|unix.F_SEAL_FUTURE_WRITE)
	if err == unix.EINVAL { // before Linux 5.1
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals|unix.F_SEAL_WRITE)
	}
	return err
}

// SocketPair is a connected pair of stream sockets.
func SocketPair() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a pair of sockets: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket"), nil
}
