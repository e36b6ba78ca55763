package network_test

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

func routeThrough(to, gateway netip.Addr) error {
	return netlink.RouteAdd(&netlink.Route{
		Dst: &net.IPNet{IP: to.AsSlice(), Mask: net.CIDRMask(32, 32)}, Gw: gateway.AsSlice(),
	})
}
