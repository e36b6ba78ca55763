package sys

import (
	"errors"
	"os"
	"unsafe"

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

// HeedSignals lets the process, which is about to execute something, die of the signals that it was started to ignore, as those of shells in the
// background and of nohup(1) are: a program that is executed inherits that, and a shell cannot even trap them then (signal(7)).
func HeedSignals() error {
	const ignored, last = 1, 64 // SIG_IGN
	for n := uintptr(1); n <= last; n++ {
		var was, normal [16]uintptr // of the kernel's struct sigaction the handler is first; zero is SIG_DFL, and no flag
		if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, n, 0, uintptr(unsafe.Pointer(&was)), last/8, 0, 0); e != 0 {
			return os.NewSyscallError("rt_sigaction", e)
		}
		if was[0] != ignored {
			continue
		}
		if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, n, uintptr(unsafe.Pointer(&normal)), 0, last/8, 0, 0); e != 0 {
			return os.NewSyscallError("rt_sigaction", e)
		}
	}
	return nil
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
