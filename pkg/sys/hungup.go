package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

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
