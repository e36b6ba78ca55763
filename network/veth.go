package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/netconf"
)

// makeVeth makes the pair, whose other end is in the container's namespace, with the hardware address mac unless another one
// was asked for. Both ends are down: to look at an end that is up while the other one is not takes a grace period too.
func (c *cable) makeVeth(name string, mac net.HardwareAddr) (netlink.Link, error) {
	if c.want.MAC != "" {
		var err error
		if mac, err = net.ParseMAC(c.want.MAC); err != nil {
			return nil, err
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.TxQLen = name, mtuOf(c.want.Network), 1000
	// Without being told, the kernel makes as many queues as there are processors, and then waits for a grace period (of RCU), for each
	// end, until nobody can be using those that it takes away again.
	attrs.NumTxQueues, attrs.NumRxQueues = 1, 1
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: c.got.Interface, PeerHardwareAddr: mac,
		PeerNamespace: netlink.NsFd(int(c.peer.Fd())),
	}
	if err := c.h.LinkAdd(veth); err != nil {
		return nil, err
	}
	err := c.h.LinkSetMasterByIndex(veth, c.to)
	if err == nil {
		err = c.h.LinkSetAlias(veth, c.id)
	}
	if err != nil {
		return nil, errors.Join(err, c.h.LinkDel(veth))
	}
	c.got.MAC = mac.String()
	return veth, nil
}

// configure gives the container's end, by a handle in the container's namespace, its addresses and routes, and brings both up.
func (c *cable) configure(link netlink.Link, inner *netlink.Handle) error {
	eth, err := inner.LinkByName(c.got.Interface)
	if err != nil {
		return err
	}
	for _, p := range []netip.Prefix{c.got.Address, c.got.Address6} {
		if !p.IsValid() {
			continue
		}
		if err := inner.AddrAdd(eth, address(p)); err != nil {
			return err
		}
	}
	for _, a := range c.want.LinkLocal {
		if err := inner.AddrAdd(eth, address(linkLocal(a))); err != nil {
			return err
		}
	}
	if err := errors.Join(c.h.LinkSetUp(link), inner.LinkSetUp(eth)); err != nil {
		return err
	}
	for _, route := range c.routes(eth.Attrs().Index) {
		if err := inner.RouteAdd(route); err != nil {
			return fmt.Errorf("route to %s through %s: %w", route.Dst, route.Gw, err)
		}
	}
	return leadNowhere(inner, c.want.Network)
}

// leadNowhere adds the routes of a network that lead nowhere.
func leadNowhere(h *netlink.Handle, n *netconf.Network) error {
	for _, route := range nowhere(n) {
		if err := h.RouteAdd(route); err != nil && !errors.Is(err, syscall.EEXIST) { // another network may ask for it, too
			return fmt.Errorf("route to %s: %w", route.Dst, err)
		}
	}
	return nil
}

// linkLocal is an address with the length of its network: RFC 3927, 2.1; RFC 4291, 2.5.6.
func linkLocal(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(a, 16)
	}
	return netip.PrefixFrom(a, 64)
}

// routes are the default routes and those that the network asks for.
func (c *cable) routes(index int) []*netlink.Route {
	list := onNetwork(c.want.Network, &c.got, index, metric(c.want.Network, index))
	for _, r := range c.want.Network.Routes {
		if r.Nowhere() {
			continue
		}
		route := &netlink.Route{LinkIndex: index, Dst: ipNet(r.Destination), Gw: r.Gateway.AsSlice()}
		if r.Metric != nil {
			route.Priority = int(*r.Metric)
		}
		list = append(list, route)
	}
	return list
}

// routeTypes are the kernel's words for routes that lead nowhere (rtnetlink(7)).
var routeTypes = map[string]int{
	netconf.RouteBlackhole: syscall.RTN_BLACKHOLE, netconf.RouteUnreachable: syscall.RTN_UNREACHABLE, netconf.RouteProhibit: syscall.RTN_PROHIBIT,
}

// nowhere are the routes of a network that lead nowhere. They are no interface's, and so do not go with one.
func nowhere(n *netconf.Network) (list []*netlink.Route) {
	for _, r := range n.Routes {
		if !r.Nowhere() {
			continue
		}
		route := &netlink.Route{Type: routeTypes[r.Type], Dst: ipNet(r.Destination)}
		if r.Metric != nil {
			route.Priority = int(*r.Metric)
		}
		list = append(list, route)
	}
	return list
}

// DropRoutes removes those routes of a network from a container that is disconnected, which did not go with its interface. What is not there is fine,
// and what others ask for that it stays on is there.
func DropRoutes(netns *os.File, n *netconf.Network, others []*netconf.Network) error {
	list := nowhere(n)
	if len(list) == 0 {
		return nil
	}
	return inside(netns, func(h *netlink.Handle) error {
		for _, route := range list {
			if err := h.RouteDel(route); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("cannot remove the route to %s: %w", route.Dst, err)
			}
		}
		for _, other := range others {
			if err := leadNowhere(h, other); err != nil {
				return err
			}
		}
		return nil
	})
}
