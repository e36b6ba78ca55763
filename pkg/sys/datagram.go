package sys

import (
	"errors"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// TellDestination has each datagram that comes to a socket come with a control message that says to which address it was sent (IP_PKTINFO,
// ip(7); IPV6_RECVPKTINFO, ipv6(7)).
func TellDestination(socket syscall.Conn) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) {
		var family int
		if family, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil {
			return
		}
		if family == unix.AF_INET6 { // which tells of IPv4 as well
			err = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
		} else {
			err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_PKTINFO, 1)
		}
	})
	return errors.Join(controlErr, os.NewSyscallError("setsockopt", err))
}

// DestinationSpace is enough for the control messages of a datagram, in bytes.
const DestinationSpace = 128

// Destination is the address that control messages name, not valid where none does.
func Destination(control []byte) (to netip.Addr) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return to
	}
	for _, m := range messages {
		const last4 = 8 // in in_pktinfo, after the interface and the address to answer from
		switch {
		case m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			to = netip.AddrFrom16([16]byte(m.Data))
		case m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			to = netip.AddrFrom4([4]byte(m.Data[last4:]))
		}
	}
	return to
}

// SentFrom is the control message that has a datagram come from an address of Destination's; nil for one that is not valid.
func SentFrom(a netip.Addr) []byte {
	switch {
	case a.Is4():
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: a.As4()})
	case a.Is6():
		return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: a.As16()})
	}
	return nil
}
