package network

import (
	"errors"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/pkg/spec"
)

// KeepAddress lets a container answer at an address that it has no cable for any more: published ports are served at the one that it
// had first, from within its namespace.
func KeepAddress(netns *os.File, addr netip.Addr) error {
	return inside(netns, func(h *netlink.Handle) error { return keepAddress(h, addr) })
}

func keepAddress(inner *netlink.Handle, addr netip.Addr) error {
	lo, err := inner.LinkByIndex(loopback)
	if err != nil {
		return err
	}
	err = inner.AddrAdd(lo, address(netip.PrefixFrom(addr, addr.BitLen())))
	if errors.Is(err, syscall.EEXIST) {
		return nil
	}
	return err
}

// keptAddresses are those that a container has by KeepAddress.
func keptAddresses(inner *netlink.Handle) (kept []netip.Addr, err error) {
	lo, err := inner.LinkByIndex(loopback)
	if err != nil {
		return nil, err
	}
	addrs, err := steady(func() ([]netlink.Addr, error) { return inner.AddrList(lo, netlink.FAMILY_V4) })
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if ip, ok := netip.AddrFromSlice(a.IP.To4()); ok && !ip.IsLoopback() {
			kept = append(kept, ip)
		}
	}
	return kept, nil
}

// recall has a container that is connected again to a network where it kept an address get that one, if it is free.
func (r *Request) recall(kept []netip.Addr) {
	for i := range r.Connections {
		c := &r.Connections[i]
		s, ok := c.Network.Subnet4()
		if !ok || c.Last != nil {
			continue
		}
		for _, a := range kept {
			if s.Subnet.Contains(a) {
				c.Last = &spec.Endpoint{Address: netip.PrefixFrom(a, s.Subnet.Bits())}
			}
		}
	}
}

// leaveAddresses takes from a container the kept addresses that somebody has on a network by now: the container would take a neighbour for
// itself. That may be itself.
func leaveAddresses(outer, inner *netlink.Handle, kept []netip.Addr) error {
	for _, a := range kept {
		_, err := outer.LinkByName(vethName(a))
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			continue
		}
		if err != nil {
			return err
		}
		lo, err := inner.LinkByIndex(loopback)
		if err != nil {
			return err
		}
		if err := inner.AddrDel(lo, address(netip.PrefixFrom(a, a.BitLen()))); err != nil {
			return err
		}
	}
	return nil
}
