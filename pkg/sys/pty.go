package sys

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// OpenPTY opens a new terminal from ptmx, an open /dev/ptmx or /dev/pts/ptmx: ptmx becomes the master side.
// The slave comes from the master itself and not from a path that somebody could have replaced.
func OpenPTY(ptmx *os.File) (slave *os.File, err error) {
	if err := unix.IoctlSetPointerInt(dirfd(ptmx), unix.TIOCSPTLCK, 0); err != nil {
		return nil, os.NewSyscallError("ioctl(TIOCSPTLCK)", err)
	}
	return PtyPeer(ptmx)
}

// Replace makes the descriptor number fd a copy of f, which stays open, and inheritable.
func Replace(fd int, f *os.File) error {
	if err := unix.Dup3(dirfd(f), fd, 0); err != nil {
		return fmt.Errorf("cannot replace descriptor %d: %w", fd, err)
	}
	return nil
}

// KeepOnExec lets the descriptor number fd stay open across execve(2).
func KeepOnExec(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
	return os.NewSyscallError("fcntl", err)
}
