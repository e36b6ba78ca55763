package sys

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// OpenTCP opens a socket for TCP to an address, or to others of its kind, which belongs to the network namespace of the calling thread for good.
func OpenTCP(to netip.Addr) (*os.File, error) {
	family := unix.AF_INET6
	if to.Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	return os.NewFile(uintptr(fd), "tcp"), nil
}

// ConnectTCP connects a socket of OpenTCP and takes it over, also when it fails. The context is for connecting only.
func ConnectTCP(ctx context.Context, f *os.File, to netip.AddrPort) (*net.TCPConn, error) {
	if err := connectTCP(ctx, f, to); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	conn, err := net.FileConn(f) // with a descriptor of its own
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

func connectTCP(ctx context.Context, f *os.File, to netip.AddrPort) error {
	stop := context.AfterFunc(ctx, func() { _ = f.SetDeadline(time.Unix(1, 0)) }) // wakes up whoever waits
	defer stop()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	at := sockaddr(to)
	var connected error
	// connect(2) is asked again when the socket is ready, and then says how it went.
	err = raw.Write(func(fd uintptr) bool {
		connected = unix.Connect(int(fd), at)
		return !errors.Is(connected, unix.EINPROGRESS) && !errors.Is(connected, unix.EALREADY)
	})
	if err != nil {
		return err
	}
	if errors.Is(connected, unix.EISCONN) {
		return nil
	}
	return os.NewSyscallError("connect", connected)
}

// BindTransparent lets a socket of OpenTCP speak from an address that need not be this machine's (IP_TRANSPARENT, ip(7)), and marks
// its packets (SO_MARK, socket(7)), so that a rule can route the answers back to it. Port 0 is chosen when it connects.
func BindTransparent(f *os.File, from netip.AddrPort, mark int) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var bound error
	err = raw.Control(func(fd uintptr) { bound = bindTransparent(int(fd), from, mark) })
	return errors.Join(err, bound)
}

func bindTransparent(fd int, from netip.AddrPort, mark int) error {
	set := func(level, option, value int) error { return unix.SetsockoptInt(fd, level, option, value) }
	level, transparent := unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	if from.Addr().Is4() {
		level, transparent = unix.SOL_IP, unix.IP_TRANSPARENT
	}
	if err := set(level, transparent, 1); err != nil {
		return os.NewSyscallError("setsockopt IP_TRANSPARENT", err)
	}
	if err := set(unix.SOL_SOCKET, unix.SO_MARK, mark); err != nil {
		return os.NewSyscallError("setsockopt SO_MARK", err)
	}
	if from.Port() == 0 {
		if err := set(unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return os.NewSyscallError("setsockopt IP_BIND_ADDRESS_NO_PORT", err)
		}
	}
	return os.NewSyscallError("bind", unix.Bind(fd, sockaddr(from)))
}

// Mark marks the packets of a socket (SO_MARK, socket(7)).
func Mark(socket syscall.RawConn, mark int) (err error) {
	controlErr := socket.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt SO_MARK", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, mark))
	})
	return errors.Join(controlErr, err)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}
