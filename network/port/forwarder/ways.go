package forwarder

import (
	"net/netip"

	"github.com/mosscontainers/moss/network/published"
)

// way is how a client's connection may go on inside the container: from an address that the server is to see, which need not be valid,
// to one of the container's.
type way struct {
	from netip.AddrPort
	to   netip.Addr
}

// ways are the container's addresses, and who stands for clients at each.
type ways struct {
	server4, server6 netip.Addr
	gateway          []way
}

func waysTo(o published.Target) ways {
	w := ways{server4: o.Address, server6: o.Address6}
	if o.Address.IsValid() {
		w.gateway = append(w.gateway, way{netip.AddrPortFrom(o.Gateway, 0), o.Address})
	}
	if o.Address6.IsValid() {
		w.gateway = append(w.gateway, way{netip.AddrPortFrom(o.Gateway6, 0), o.Address6})
	} else if o.Address.IsValid() {
		w.server6 = translated(o.Address)
	}
	return w
}

// of are the ways to try for a client, the best one first: as itself, then as the gateway.
func (w *ways) of(client netip.AddrPort) []way {
	ip := client.Addr().Unmap()
	server := w.server6
	if ip.Is4() {
		server = w.server4
	}
	if !server.IsValid() || ip == server || local(ip) {
		return w.gateway
	}
	return append([]way{{netip.AddrPortFrom(ip, client.Port()), server}}, w.gateway...)
}

// local says of a client's address that it does not mean the same in the container. There, one of the host's loopback
// would be trusted like the container itself (CVE-2021-20199).
func local(ip netip.Addr) bool { return ip.IsLoopback() || ip.IsLinkLocalUnicast() && ip.Is6() }

// translated is how IPv6 calls a container that has an address of IPv4 only (RFC 6052, with the prefix of RFC 8215). What is marked is routed to the
// container itself, whatever its address (routeAnswers), so a server that listens on all addresses is reached there, and one that
// listens on the loopback's only, which is not published, is not.
func translated(addr netip.Addr) netip.Addr {
	b := netip.MustParseAddr("64:ff9b:1::").As16()
	v4 := addr.As4()
	copy(b[12:], v4[:])
	return netip.AddrFrom16(b)
}
