package sys

import (
	"errors"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Poll tells which of many sockets are ready: epoll(7). The runtime does too, but asks to be woken up for all that happens to each of them.
type Poll struct {
	file   *os.File
	raw    syscall.RawConn
	events [64]unix.EpollEvent
}

// Ready says that the socket of a key can be read from, or written to, or that this would fail.
type Ready struct {
	Key     uint64
	In, Out bool
}

// NewPoll makes one that watches nothing.
func NewPoll() (*Poll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // the runtime waits for it as for a socket
		return nil, errors.Join(err, unix.Close(fd))
	}
	p := &Poll{file: os.NewFile(uintptr(fd), "epoll")}
	p.raw, err = p.file.SyscallConn()
	return p, err
}

// Close ends Wait.
func (p *Poll) Close() error { return p.file.Close() }

// Watch says what to wait for at a socket. was says whether it was watched already; nothing to wait for ends that.
func (p *Poll) Watch(socket int, key uint64, was, in, out bool) error {
	event := unix.EpollEvent{Fd: int32(key), Pad: int32(key >> 32)} //nolint:gosec // two halves
	if in {
		event.Events |= unix.EPOLLIN
	}
	if out {
		event.Events |= unix.EPOLLOUT
	}
	do := unix.EPOLL_CTL_ADD
	switch {
	case event.Events == 0:
		do = unix.EPOLL_CTL_DEL
	case was:
		do = unix.EPOLL_CTL_MOD
	}
	var err error
	controlErr := p.raw.Control(func(fd uintptr) {
		err = os.NewSyscallError("epoll_ctl", unix.EpollCtl(int(fd), do, socket, &event))
	})
	return errors.Join(controlErr, err)
}

// Wait waits until sockets are ready, and adds them to a list.
func (p *Poll) Wait(list []Ready) ([]Ready, error) {
	var n int
	var err error
	waitErr := p.raw.Read(func(fd uintptr) bool {
		n, err = unix.EpollWait(int(fd), p.events[:], 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
	if err := errors.Join(waitErr, os.NewSyscallError("epoll_wait", err)); err != nil {
		return nil, err
	}
	const failed = unix.EPOLLERR | unix.EPOLLHUP
	for _, e := range p.events[:n] {
		list = append(list, Ready{
			Key: uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32, //nolint:gosec // as in Watch
			In:  e.Events&(unix.EPOLLIN|failed) != 0,
			Out: e.Events&(unix.EPOLLOUT|failed) != 0,
		})
	}
	return list, nil
}

// Socket is a TCP socket that the runtime does not watch.
type Socket struct{ fd int }

// SocketOf is the socket of a connection, which is to be closed as well: each has a descriptor of its own.
func SocketOf(conn *net.TCPConn) (s Socket, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return Socket{}, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		s.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3)
	})
	return s, errors.Join(controlErr, os.NewSyscallError("fcntl", err))
}

// FD is its descriptor.
func (s Socket) FD() int { return s.fd }

// Close closes it.
func (s Socket) Close() error { return unix.Close(s.fd) }

// EndRead takes nothing more from the other side; EndWrite says that nothing more will come. The other side may be gone already.
func (s Socket) EndRead() { _ = unix.Shutdown(s.fd, unix.SHUT_RD) }

// EndWrite is described at EndRead.
func (s Socket) EndWrite() { _ = unix.Shutdown(s.fd, unix.SHUT_WR) }
