package libpod

import (
	"net/netip"
	"slices"

	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/network/dns"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/spec"
)

// The files that tell a container names, in its run directory.
const (
	hostsFile    = "hosts"
	hostnameFile = "hostname"
	resolvFile   = "resolv.conf"
)

// known is by which names a container knows others, and others know it.
type known struct {
	c        *spec.Container
	hostname string
	mode     string             // of package network
	networks []*netconf.Network // with ModeBridge
	at       []spec.Endpoint    // on these, in the same order

	resolvers []netip.Addr // network.Attachment's
	host      netip.Addr
	links     []string // of Engine.links
	base      []byte   // of Engine.baseHosts
}

// served says whether one of the networks serves names.
func (k *known) served() bool {
	return slices.ContainsFunc(k.networks, k.servedOn)
}

// servedOn says whether a network serves names to the container: one that is held to a list there must not ask anybody else.
func (k *known) servedOn(n *netconf.Network) bool { return n.DNSEnabled || isHeld(k.c, n) }

// servers are those that the container asks for names that no container has, by way of the DNS server where there is one.
func (k *known) servers() []netip.Addr {
	var list []netip.Addr
	for _, text := range k.c.DNS {
		if a, err := netip.ParseAddr(text); err == nil {
			list = append(list, a)
		}
	}
	return list
}

func (k *known) names() network.Names {
	n := network.Names{
		Name: k.c.Name, Hostname: k.hostname,
		Servers: k.c.DNS, Search: k.c.DNSSearch, Options: k.c.DNSOptions, AddHosts: slices.Concat(k.c.AddHosts, k.links), Base: k.base,
		Internal: k.mode == network.ModeBridge,
	}
	for i, net := range k.networks {
		n.Internal = n.Internal && net.Internal
		// One of each network's: they all know all networks of who asks, and resolvers look at three lines (MAXNS).
		if list := gateways(&k.at[i]); k.servedOn(net) && len(list) > 0 && len(n.Resolvers) < maxResolvers {
			n.Resolvers = append(n.Resolvers, list[0])
		}
	}
	if len(n.Resolvers) > 0 {
		n.Servers, n.Domain = nil, dns.Domain // it asks them
	}
	n.Resolvers, n.Host, n.NoHost = append(n.Resolvers, k.resolvers...), k.host, k.c.HostIP == spec.NetworkNone
	if asked, err := netip.ParseAddr(k.c.HostIP); err == nil {
		n.Host = asked
	}
	held := func(n *netconf.Network) bool { return isHeld(k.c, n) }
	if slices.ContainsFunc(k.networks, held) && len(n.Search) == 0 {
		n.Search = []string{"."} // a name in one of the host's domains is refused, and resolvers stop at that
	}
	return n
}

// maxResolvers is how many lines for servers of resolv.conf(5) are looked at.
const maxResolvers = 3

func gateways(at *spec.Endpoint) []netip.Addr {
	var list []netip.Addr
	for _, a := range []netip.Addr{at.Gateway, at.Gateway6} {
		if a.IsValid() {
			list = append(list, a)
		}
	}
	return list
}

func (k *known) resolvConf() string { return network.ResolvConf(k.mode, k.names()) }

func (k *known) hosts() (string, error) {
	var addrs []netip.Addr
	for i := range k.at {
		addrs = append(addrs, k.at[i].Addresses()...)
	}
	return network.Hosts(k.mode, k.names(), addrs)
}
