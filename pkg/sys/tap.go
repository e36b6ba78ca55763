package sys

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OpenTap makes the interface name in the calling thread's network namespace, and returns the end where Ethernet frames go in and
// out (Documentation/networking/tuntap.rst). It does not block. Frames to groups do not come out: see quietly.
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
	if err := filterTap(fd, quietly); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// quietly lets through what is for one receiver or for all, and the question who has an IPv6 address (RFC 4861), but not a namespace's own
// question whether it may have one. What else is for a group is for routers or neighbours, of which a tap has none; the kernel sends some of
// it by itself, and whoever serves the tap should be woken by programs.
var quietly = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},                   // receiver
	{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: 0x01000000, Jf: 7}, // one: pass
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0xffffffff, Jt: 6},  // all: pass
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xffffff00},         //
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x3333ff00, Jf: 5},  // not 33:33:ff: drop
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 14 + 8},              // sender's IPv6 address, first part
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0, Jf: 2},           // some: pass
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 14 + 8 + 12},         // last part
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0, Jt: 1},           // none: drop
	{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},                         // pass
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},                                 // drop
}

// filterTap has the kernel drop frames that would come out of a tap (TUNATTACHFILTER).
func filterTap(fd int, program []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNATTACHFILTER, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(program)
	if e != 0 {
		return os.NewSyscallError("ioctl TUNATTACHFILTER", e)
	}
	return nil
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
