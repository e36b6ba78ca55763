package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// SplicePipe is a buffer of the kernel's that bytes pass through on their way from one socket to another: splice(2).
type SplicePipe struct {
	read, write int
	size        int
}

// NewSplicePipe makes an empty pipe of about so many bytes: it is smaller for a user who has many (pipe(7), pipe-user-pages-soft).
func NewSplicePipe(size int) (*SplicePipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	_, _ = unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, size) // else it is as it is
	return &SplicePipe{read: fds[0], write: fds[1], size: size}, nil
}

// Close closes the pipe.
func (p *SplicePipe) Close() error { return errors.Join(unix.Close(p.read), unix.Close(p.write)) }

// Fill moves what a socket has, as much as there is room for. ok is false when it has nothing now; n is 0 at its end.
func (p *SplicePipe) Fill(socket uintptr) (n int, ok bool, err error) {
	return splice(int(socket), p.write, p.size)
}

// Drain moves up to n bytes to a socket; ok is false when it takes nothing now.
func (p *SplicePipe) Drain(socket uintptr, n int) (moved int, ok bool, err error) {
	return splice(p.read, int(socket), n)
}

// splice never waits, so it is a system call without the runtime's care for those that do: that takes a tenth longer.
func splice(from, to, most int) (n int, ok bool, err error) {
	const flags = unix.SPLICE_F_MOVE | unix.SPLICE_F_NONBLOCK
	for {
		moved, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(most), flags)
		switch errno {
		case 0:
			return int(moved), true, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, false, nil
		default:
			return 0, true, os.NewSyscallError("splice", errno)
		}
	}
}
