package libpod

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/mosscontainers/moss/libpod/embedded"
	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/network/dns"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// tell makes a container known by name on the networks that serve names. Its entries count while process lives, and go with the
// container's end.
func (e *Engine) tell(ctx Context, k known, process sys.Process, r *state.Record) error {
	for i, n := range k.networks {
		lists, err := egressLists(k.c, n)
		if err != nil {
			return err
		}
		if !n.DNSEnabled && len(lists) == 0 {
			continue
		}
		entry := dns.Entry{
			Names: k.namesOn(&k.at[i]), Addresses: k.at[i].Addresses(), Servers: k.servers(), Process: process,
		}
		for _, list := range lists {
			entry.Egress = append(entry.Egress, list.Names())
		}
		err = dns.WriteNetwork(e.networkDir(), n.NetworkInterface, e.servedNetwork(n))
		if err == nil {
			err = dns.Write(e.networkDir(), n.NetworkInterface, k.c.ID, entry)
		}
		if err != nil {
			return fmt.Errorf("cannot make container %s known on network %q: %w", k.c.Name, n.Name, err)
		}
		if path := dns.Path(e.networkDir(), n.NetworkInterface, k.c.ID); !slices.Contains(r.Cleanup, path) {
			r.Cleanup = append(r.Cleanup, path)
		}
	}
	if !k.served() {
		return nil
	}
	return e.surviving(ctx, func() error { return network.ServeNames(ctx, e.networkRequest(), embedded.DNS) })
}

// tellNetwork tells the server that runs of a network's new record.
func (e *Engine) tellNetwork(n *netconf.Network) error {
	if !dns.Known(e.networkDir(), n.NetworkInterface) {
		return nil // nobody has been on it
	}
	return dns.WriteNetwork(e.networkDir(), n.NetworkInterface, e.servedNetwork(n))
}

func (e *Engine) servedNetwork(n *netconf.Network) dns.Network {
	served := dns.Network{Name: n.Name, Internal: n.Internal, Servers: n.NetworkDNSServers}
	for _, s := range n.Subnets {
		served.Gateways = append(served.Gateways, s.Gateway)
	}
	asked, err := netip.ParseAddr(e.Config.Containers.HostIP)
	switch {
	case n.Internal || e.Config.Containers.HostIP == spec.NetworkNone:
	case err == nil:
		served.Host = asked
	default:
		served.Host = network.HostAddress()
	}
	return served
}

// namesOn are all the names that the container has on a network, its own first.
func (k *known) namesOn(at *spec.Endpoint) []string {
	list := append([]string{k.c.Name}, at.Aliases...)
	if k.c.Hostname != "" {
		list = append(list, k.c.Hostname)
	}
	if id := names.Short(k.c.ID); id != k.c.Name {
		list = append(list, id)
	}
	return list
}

// forget makes a container unknown on a network.
func (e *Engine) forget(n *netconf.Network, id string) error {
	return dns.Remove(e.networkDir(), n.NetworkInterface, id)
}

// forgetNetwork makes a network unknown.
func (e *Engine) forgetNetwork(n *netconf.Network) error {
	return dns.RemoveNetwork(e.networkDir(), n.NetworkInterface)
}
