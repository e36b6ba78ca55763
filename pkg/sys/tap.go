package sys

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// OpenTap makes the interface name in the calling thread's network namespace, and returns the end where Ethernet frames go in and
// out (Documentation/networking/tuntap.rst). It does not block.
func OpenTap(name string) (*os.File, error) {
	const path = "/dev/net/tun"
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot call an interface %q: %w", name, err)
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("ioctl TUNSETIFF", err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// KillAtEnd has the kernel send SIGKILL to the process pid when the last writer of a pipe is gone, of which pipe is a reading end
// of nobody else's. It holds for as long as anybody has this very description of the pipe open, such as the process itself (fcntl(2),
// F_SETSIG).
func KillAtEnd(pipe *os.File, pid int) error {
	fd := pipe.Fd()
	if _, err := unix.FcntlInt(fd, unix.F_SETOWN, pid); err != nil {
		return os.NewSyscallError("fcntl F_SETOWN", err)
	}
	if _, err := unix.FcntlInt(fd, unix.F_SETSIG, int(unix.SIGKILL)); err != nil {
		return os.NewSyscallError("fcntl F_SETSIG", err)
	}
	flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	if err == nil {
		_, err = unix.FcntlInt(fd, unix.F_SETFL, flags|unix.O_ASYNC)
	}
	if err != nil {
		return os.NewSyscallError("fcntl O_ASYNC", err)
	}
	// The last writer may have gone before.
	fds := []unix.PollFd{{Fd: int32(fd)}}
	if _, err := unix.Poll(fds, 0); err != nil && err != unix.EINTR {
		return os.NewSyscallError("poll", err)
	}
	if fds[0].Revents&unix.POLLHUP != 0 {
		return os.NewSyscallError("kill", syscall.Kill(pid, syscall.SIGKILL))
	}
	return nil
}
