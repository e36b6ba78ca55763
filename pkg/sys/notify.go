package sys

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ListenDatagrams makes a new unix datagram socket called name in directory dir, which whoever reaches it may send to.
func ListenDatagrams(dir, name string) (*os.File, error) {
	f, err := unixSocket(unix.SOCK_DGRAM, dir, name, func(fd int, addr *unix.SockaddrUnix) error {
		if err := unix.Bind(fd, addr); err != nil {
			return err
		}
		return unix.Fchmodat(unix.AT_FDCWD, addr.Name, 0o666, 0) // whatever the umask
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make the socket %s/%s: %w", dir, name, err)
	}
	return f, nil
}

// Notify tells a service manager something: sd_notify(3). socket is a path, or a name in the abstract namespace that begins with @. One that takes
// nothing for a second is not told: EAGAIN.
func Notify(socket, message string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	return os.NewSyscallError("sendto", unix.Sendto(fd, []byte(message), unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: socket}))
}
