package network

import (
	"cmp"
	"errors"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/spec"
)

// Reroute gives a container that runs, and was connected or disconnected, the default routes that its connections ask for.
// Connection.Last is what it has there.
func Reroute(netns *os.File, connections []Connection) error {
	at := make([]*spec.Endpoint, len(connections))
	for i := range connections {
		at[i] = connections[i].Last
	}
	return inside(netns, func(h *netlink.Handle) error { return reroute(h, connections, at) })
}

// reroute replaces routes before it removes any, so that there is always one.
func reroute(h *netlink.Handle, connections []Connection, at []*spec.Endpoint) error {
	wanted, err := defaultRoutes(h, connections, at)
	if err != nil {
		return err
	}
	for _, route := range wanted {
		if err := h.RouteReplace(route); err != nil {
			return err
		}
	}
	return dropOthers(h, wanted)
}

// defaultRoutes are those on all connections. An interface that somebody in there has renamed or removed has none.
func defaultRoutes(h *netlink.Handle, connections []Connection, at []*spec.Endpoint) ([]*netlink.Route, error) {
	indexes := make([]int, len(connections))
	for i, e := range at {
		if e == nil {
			continue
		}
		link, err := h.LinkByName(e.Interface)
		if missing := (netlink.LinkNotFoundError{}); errors.As(err, &missing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		indexes[i] = link.Attrs().Index
	}
	var list []*netlink.Route
	for i, metric := range metrics(connections, indexes) {
		if indexes[i] != 0 {
			list = append(list, onNetwork(connections[i].Network, at[i], indexes[i], metric)...)
		}
	}
	return list, nil
}

// onNetwork are the default routes by one network.
func onNetwork(n *netconf.Network, at *spec.Endpoint, index, metric int) (list []*netlink.Route) {
	for _, gateway := range []netip.Addr{at.Gateway, at.Gateway6} {
		if !gateway.IsValid() || !n.DefaultRoute() {
			continue
		}
		route := &netlink.Route{LinkIndex: index, Gw: gateway.AsSlice(), Priority: metric}
		if gateway.Is6() {
			route.Priority = max(metric, 1) // the kernel takes 0 for 1024 (IP6_RT_PRIO_USER)
		}
		list = append(list, route)
	}
	return list
}

// dropOthers removes what is left of other metrics.
func dropOthers(h *netlink.Handle, wanted []*netlink.Route) error {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		there, err := steady(func() ([]netlink.Route, error) {
			return h.RouteListFiltered(family, &netlink.Route{}, netlink.RT_FILTER_DST)
		})
		if err != nil {
			return err
		}
		for i := range there {
			if !outdated(&there[i], wanted) {
				continue
			}
			if err := h.RouteDel(&there[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// outdated says whether a route is one of those that are wanted, with another metric. What else is there somebody in the container has made.
func outdated(old *netlink.Route, wanted []*netlink.Route) bool {
	other := false
	for _, r := range wanted {
		if r.LinkIndex != old.LinkIndex || !r.Gw.Equal(old.Gw) {
			continue
		}
		if r.Priority == old.Priority {
			return false
		}
		other = true
	}
	return other
}

// metrics are those of the default routes on each connection: the kernel takes the lowest. indexes are the interfaces'.
func metrics(connections []Connection, indexes []int) []int {
	list, order := make([]int, len(connections)), make([]int, len(connections))
	for i := range connections {
		list[i], order[i] = metric(connections[i].Network, indexes[i]), i
	}
	if !prefers(connections) {
		return list
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(connections[b].GatewayPriority, connections[a].GatewayPriority), cmp.Compare(list[a], list[b]))
	})
	for rank, i := range order {
		list[i] = 1 + rank
	}
	return list
}

// prefers says whether one connection is to have the default route rather than another.
func prefers(connections []Connection) bool {
	return slices.ContainsFunc(connections, func(c Connection) bool { return c.GatewayPriority != connections[0].GatewayPriority })
}

// metric is that of a network whose connection is preferred to no other: what its option says, else the network that the container was on
// first comes first.
func metric(n *netconf.Network, index int) int {
	if chosen, ok := n.Metric(); ok {
		return chosen
	}
	return firstMetric + index
}

// firstMetric and the index of its interface is the metric of a default route.
const firstMetric = 100
