package libpod

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/network/egress"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/spec"
)

// egressLists are the lists that hold a container on a network, the network's and its own: it may reach whom both have.
func egressLists(c *spec.Container, n *netconf.Network) ([]egress.List, error) {
	var lists []egress.List
	for _, texts := range [][]string{n.Egress, c.Egress} {
		if len(texts) == 0 {
			continue
		}
		rules, err := spec.ParseEgressList(texts)
		if err != nil {
			return nil, err
		}
		list := make(egress.List, len(rules))
		for i, r := range rules {
			list[i] = egress.Rule(r)
		}
		lists = append(lists, list)
	}
	return lists, nil
}

// isHeld says whether there are such lists.
func isHeld(c *spec.Container, n *netconf.Network) bool { return len(n.Egress)+len(c.Egress) > 0 }

// connection is what a container asks for on a network.
func connection(c *spec.Container, n *netconf.Network, want spec.Connection) (network.Connection, error) {
	conn := network.Connection{Network: n, Connection: want}
	var err error
	if conn.Egress, err = egressLists(c, n); err == nil && len(conn.Egress) > 0 {
		conn.Hosts = knownHosts(c)
	}
	return conn, errors.Join(err, conn.CheckAddresses())
}

// knownHosts are the names beside its own that a container's /etc/hosts has.
func knownHosts(c *spec.Container) map[string][]netip.Addr {
	hosts := map[string][]netip.Addr{}
	outside := network.HostAddress()
	add := func(name string, addr netip.Addr) {
		if addr.IsValid() {
			hosts[strings.ToLower(name)] = append(hosts[strings.ToLower(name)], addr)
		}
	}
	for _, name := range network.HostNames() {
		add(name, outside)
	}
	for _, text := range c.AddHosts {
		names, value, _ := strings.Cut(text, ":")
		addr, _ := netip.ParseAddr(value) // checked
		if value == "host-gateway" {
			addr = outside
		}
		for name := range strings.SplitSeq(names, ";") {
			add(name, addr)
		}
	}
	return hosts
}
