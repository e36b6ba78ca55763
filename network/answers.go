package network

import (
	"errors"
	"net"
	"os"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/published"
)

// routeAnswers makes the namespace of the calling thread deliver the answers to published connections to
// package port, which speaks to the server from the client's own address. Its packets carry a mark, the
// server's socket inherits it from them (tcp_fwmark_accept, ip-sysctl.rst), and what is marked is routed
// to the machine itself instead of out of the default route. So are refusals, which belong to no socket (fwmark_reflect).
func routeAnswers(h *netlink.Handle) error {
	for _, setting := range []string{"ipv4/tcp_fwmark_accept", "ipv4/fwmark_reflect", "ipv6/fwmark_reflect"} {
		err := os.WriteFile("/proc/sys/net/"+setting, []byte("1"), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel may have no IPv6
			return err
		}
	}
	if err := routeMarked(h, netlink.FAMILY_V4, net.IPv4zero.To4()); err != nil {
		return err
	}
	_ = routeMarked(h, netlink.FAMILY_V6, net.IPv6zero) // without IPv6 in the kernel no such client comes
	return nil
}

// routeMarked routes what is marked to the machine itself. zero is the address of no machine.
func routeMarked(h *netlink.Handle, family int, zero net.IP) error {
	const toThisHost = 2 // RTN_LOCAL, rtnetlink(7)
	err := h.RouteAdd(&netlink.Route{
		LinkIndex: loopback,
		Table:     published.Mark, Type: toThisHost, Scope: netlink.SCOPE_HOST,
		Dst: &net.IPNet{IP: zero, Mask: net.CIDRMask(0, 8*len(zero))},
	})
	if err != nil {
		return err
	}
	rule := netlink.NewRule()
	rule.Family, rule.Mark, rule.Table, rule.Priority = family, published.Mark, published.Mark, 100
	return h.RuleAdd(rule)
}
