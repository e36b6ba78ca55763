package network

import (
	"net"
	"os"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/published"
)

// routeAnswers makes the namespace of the calling thread deliver the answers to published connections to
// package port, which speaks to the server from the client's own address. Its packets carry a mark, the
// server's socket inherits it from them (tcp_fwmark_accept, ip-sysctl.rst), and what is marked is routed
// to the machine itself instead of out of the default route.
func routeAnswers(h *netlink.Handle) error {
	err := os.WriteFile("/proc/sys/net/ipv4/tcp_fwmark_accept", []byte("1"), 0)
	if err != nil {
		return err
	}
	const toThisHost = 2 // RTN_LOCAL, rtnetlink(7)
	err = h.RouteAdd(&netlink.Route{
		LinkIndex: loopback,
		Table:     published.Mark, Type: toThisHost, Scope: netlink.SCOPE_HOST,
		Dst: &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
	})
	if err != nil {
		return err
	}
	rule := netlink.NewRule()
	rule.Family, rule.Mark, rule.Table, rule.Priority = netlink.FAMILY_V4, published.Mark, published.Mark, 100
	return h.RuleAdd(rule)
}
