package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// DieWithParent makes the kernel kill the calling thread's process when the thread that cloned it ends
// (prctl(2), PR_SET_PDEATHSIG). A change of ids or capabilities forgets it, so it comes after those;
// execve(2) forgets it only for a program that gains privileges.
func DieWithParent() error {
	sig := uintptr(unix.SIGKILL)
	return os.NewSyscallError("prctl(PR_SET_PDEATHSIG)", unix.Prctl(unix.PR_SET_PDEATHSIG, sig, 0, 0, 0))
}

// UnblockSignals lets the calling thread, which is about to execute something, get all signals.
func UnblockSignals() error {
	return os.NewSyscallError("sigprocmask", unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil))
}

// HungUp says whether the other end of a stream socket, which has nothing to say now, is closed.
func HungUp(socket *os.File) (gone bool, err error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return false, err
	}
	controlErr := raw.Control(func(fd uintptr) { gone, err = hungUp(int(fd)) })
	return gone, errors.Join(controlErr, err)
}

func hungUp(fd int) (bool, error) {
	for {
		n, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch err {
		case nil:
			return n == 0, nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false, nil
		case unix.ECONNRESET:
			return true, nil
		}
		return false, os.NewSyscallError("recvfrom", err)
	}
}
