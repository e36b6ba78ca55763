package netconf

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/spec"
)

// Reserved says whether no network may have this name, because it means something to --network.
func Reserved(name string) bool {
	switch name {
	case DefaultName, "default", "bridge", "none", "host", "private", "slirp4netns", "pasta", "container", "ns", "pod":
		return true
	}
	return false
}

// check says what is wrong with a description of a network that shall be made. Subnets that it leaves open are not there yet.
func (n *Network) check() error {
	if err := names.Validate(n.Name); err != nil {
		return err
	}
	if Reserved(n.Name) {
		return invalid(n, "that name means something else to --network; choose another")
	}
	if err := n.checkDriver(); err != nil {
		return invalid(n, "%w", err)
	}
	if n.NetworkInterface != "" {
		if err := checkInterface(n.NetworkInterface); err != nil {
			return invalid(n, "%w", err)
		}
	}
	if len(n.NetworkDNSServers) > 0 && !n.DNSEnabled {
		return invalid(n, "it has DNS servers but serves no names; leave out one of --dns and --disable-dns")
	}
	if _, err := spec.ParseEgressList(n.Egress); err != nil {
		return err
	}
	if len(n.Egress) > 0 && n.IPAMOptions["driver"] == IPAMNone {
		return invalid(n, "a list of whom containers may reach needs addresses to tell them by; leave out one of --egress and --ipam-driver none")
	}
	if err := n.checkOptions(); err != nil {
		return err
	}
	if mtu := n.MTU(); n.IPv6Enabled && mtu != 0 && mtu < minMTU6 {
		return invalid(n, "its mtu of %d is too small for IPv6, which needs %d", mtu, minMTU6)
	}
	if err := n.checkIPAM(); err != nil {
		return err
	}
	return n.checkSubnets()
}

// checkDriver knows one, and what others would need.
func (n *Network) checkDriver() error {
	switch n.Driver {
	case Bridge:
		return nil
	case "macvlan", "ipvlan":
		return plain("the driver %s needs a real interface, which a network of a user does not have; use bridge", n.Driver)
	}
	return plain("there is no driver %q; there is bridge", n.Driver)
}

// minMTU6 is that of RFC 8200, 5, in bytes.
const minMTU6 = 1280

// checkIPAM checks who gives addresses.
func (n *Network) checkIPAM() error {
	switch driver := n.IPAMOptions["driver"]; driver {
	case IPAMLocal:
	case IPAMNone:
		if len(n.Subnets) > 0 {
			return invalid(n, "with --ipam-driver none it has no subnets; leave out --subnet")
		}
	default:
		return invalid(n, "there is no IPAM driver %q; there are host-local and none", driver)
	}
	return nil
}

func (n *Network) checkSubnets() error {
	var seen [2]bool
	for i := range n.Subnets {
		s := &n.Subnets[i]
		family := 0
		if s.Subnet.Addr().Is6() {
			family = 1
		}
		if seen[family] {
			return invalid(n, "it has two subnets of one kind; a network has at most one of IPv4 and one of IPv6")
		}
		seen[family] = true
		if err := s.complete(); err != nil {
			return invalid(n, "%w", err)
		}
	}
	return n.checkRoutes()
}

func (n *Network) checkRoutes() error {
	for i, r := range n.Routes {
		if err := n.checkGateway(&r); err != nil {
			return err
		}
		if slices.ContainsFunc(n.Subnets, func(s Subnet) bool { return s.Subnet == r.Destination.Masked() }) {
			return invalid(n, "the route to %s cannot go through %s: that is the network itself", r.Destination, r.Gateway)
		}
		if slices.ContainsFunc(n.Routes[:i], r.clashes) {
			return invalid(n, "there are two routes to %s; give them different metrics", r.Destination.Masked())
		}
	}
	return nil
}

// checkGateway checks what a route leads to.
func (n *Network) checkGateway(r *Route) error {
	if r.Nowhere() {
		if r.Gateway.IsValid() || !slices.Contains([]string{RouteBlackhole, RouteUnreachable, RouteProhibit}, r.Type) {
			return invalid(n, "the route to %s is not one of the types %s, %s and %s, without a gateway", r.Destination, RouteBlackhole, RouteUnreachable, RouteProhibit)
		}
		return nil
	}
	if r.Destination.Addr().Is4() != r.Gateway.Is4() {
		return invalid(n, "the route to %s cannot go through %s: one is IPv4 and the other IPv6", r.Destination, r.Gateway)
	}
	on := slices.ContainsFunc(n.Subnets, func(s Subnet) bool { return s.Subnet.Contains(r.Gateway) })
	if !on && len(n.Subnets) > 0 {
		return invalid(n, "the route to %s cannot go through %s, which is not on the network", r.Destination, r.Gateway)
	}
	return nil
}

// clashes says whether the kernel takes one of two routes only.
func (r *Route) clashes(o Route) bool {
	same := r.Metric == nil && o.Metric == nil || r.Metric != nil && o.Metric != nil && *r.Metric == *o.Metric
	return same && r.Destination.Masked() == o.Destination.Masked()
}

// complete checks a subnet and gives it a gateway, its first address.
func (s *Subnet) complete() error {
	s.Subnet = s.Subnet.Masked()
	a := s.Subnet.Addr()
	switch {
	case a.Is4In6() || a.Zone() != "":
		return plain("the subnet %s is neither IPv4 nor IPv6", s.Subnet)
	case a.BitLen()-s.Subnet.Bits() < 2:
		return plain("the subnet %s has no room for a container; make it at least a /%d", s.Subnet, a.BitLen()-2)
	case a.IsMulticast() || a.IsLoopback() || a.IsUnspecified():
		return plain("the subnet %s is not one for machines", s.Subnet)
	}
	if !s.Gateway.IsValid() {
		s.Gateway = a.Next()
	}
	if err := s.has(s.Gateway, "gateway"); err != nil {
		return err
	}
	r := s.LeaseRange
	if r == nil {
		return nil
	}
	for _, end := range []netip.Addr{r.StartIP, r.EndIP} {
		if err := s.has(end, "ip range"); err != nil {
			return err
		}
	}
	if r.EndIP.Less(r.StartIP) {
		return plain("the ip range from %s to %s is empty", r.StartIP, r.EndIP)
	}
	if r.StartIP == s.Gateway && r.EndIP == s.Gateway {
		return plain("the ip range has the gateway %s only, and no address for a container; choose a larger one, or another --gateway", s.Gateway)
	}
	return nil
}

// has checks that an address is one that a machine of the subnet may have.
func (s *Subnet) has(a netip.Addr, what string) error {
	if !s.machine(a) {
		return plain("the %s %s is not an address for a machine of %s", what, a, s.Subnet)
	}
	return nil
}

func (s *Subnet) machine(a netip.Addr) bool {
	return s.Subnet.Contains(a) && a != s.Subnet.Addr() && (a.Is6() || a != Last(s.Subnet))
}

// Offers says whether a container may have an address.
func (s *Subnet) Offers(a netip.Addr) bool { return s.machine(a) && a != s.Gateway }

// Last is the last address of a subnet, which for IPv4 is the one of all its machines.
func Last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// ParseRange reads FIRST-LAST, or a prefix, whose addresses for machines are meant; within is the subnet they are of.
func ParseRange(text string, within netip.Prefix) (*LeaseRange, error) {
	if first, last, ok := strings.Cut(text, "-"); ok {
		start, err1 := netip.ParseAddr(first)
		end, err2 := netip.ParseAddr(last)
		if err1 != nil || err2 != nil {
			return nil, plain("the ip range %q is neither a prefix such as 10.89.0.128/25 nor FIRST-LAST", text)
		}
		return &LeaseRange{start, end}, nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, plain("the ip range %q is neither a prefix such as 10.89.0.128/25 nor FIRST-LAST", text)
	}
	p = p.Masked()
	r := &LeaseRange{p.Addr(), Last(p)}
	if r.StartIP == within.Addr() {
		r.StartIP = r.StartIP.Next()
	}
	if r.EndIP == Last(within) && r.EndIP.Is4() {
		r.EndIP = r.EndIP.Prev()
	}
	return r, nil
}
