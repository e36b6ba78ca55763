// Package netconf keeps the records of networks: what is asked of each, not what there is of it. A record is Podman's JSON, one
// file per network, replaced by rename, and read without a lock.
package netconf

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Network is one network. Its fields go by Podman's names.
type Network struct {
	// Format is what it takes to understand this: package record.
	Format           int       `json:"format,omitempty"`
	Name             string    `json:"name"`
	ID               string    `json:"id"`     // 64 hexadecimal digits, made from the name
	Driver           string    `json:"driver"` // bridge; Podman has others
	NetworkInterface string    `json:"network_interface"`
	Created          time.Time `json:"created"`
	// Subnets are at most one of IPv4 and one of IPv6.
	Subnets           []Subnet     `json:"subnets"`
	Routes            []Route      `json:"routes,omitempty"`
	IPv6Enabled       bool         `json:"ipv6_enabled"`
	Internal          bool         `json:"internal"`
	DNSEnabled        bool         `json:"dns_enabled"`
	NetworkDNSServers []netip.Addr `json:"network_dns_servers,omitempty"`
	// Egress is whom containers may reach over the network; none is everybody (spec.ParseEgressList).
	Egress      []string          `json:"egress,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Options     map[string]string `json:"options,omitempty"`
	IPAMOptions map[string]string `json:"ipam_options,omitempty"`

	// Owner tells this network from another one whose bridge has the same name: of another store, or of the same name in
	// former times.
	Owner string `json:"-"`
	// Foreign says that the record is Podman's: it is not ours to change.
	Foreign bool `json:"-"`
	// Damaged says that the record could not be understood; the others are the name's then. Or it is Podman's, and cannot be used here: ErrUnavailable is
	// for another driver.
	Damaged error `json:"-"`
}

// Subnet is a range of addresses and the one of them that the bridge has.
type Subnet struct {
	Subnet     netip.Prefix `json:"subnet"`
	Gateway    netip.Addr   `json:"gateway,omitzero"`
	LeaseRange *LeaseRange  `json:"lease_range,omitempty"` // nil is all of it
}

// LeaseRange are the addresses that containers get who ask for none.
type LeaseRange struct {
	StartIP netip.Addr `json:"start_ip,omitzero"`
	EndIP   netip.Addr `json:"end_ip,omitzero"`
}

// Route is one that the containers have beside that of the subnet and the default one.
type Route struct {
	Destination netip.Prefix `json:"destination"`
	Gateway     netip.Addr   `json:"gateway,omitzero"`
	Metric      *uint32      `json:"metric,omitempty"`
	Type        string       `json:"route_type,omitempty"` // "" or unicast is by the gateway, else that of a route to nowhere
}

// The types of routes that lead nowhere: packets are dropped, or refused in one of two ways.
const (
	RouteUnicast     = "unicast"
	RouteBlackhole   = "blackhole"
	RouteUnreachable = "unreachable"
	RouteProhibit    = "prohibit"
)

// Nowhere says whether the route has a type instead of a gateway.
func (r *Route) Nowhere() bool { return r.Type != "" && r.Type != RouteUnicast }

// The default network, which no file describes: it is there before anybody makes one.
const (
	DefaultName      = "podman"
	DefaultInterface = "moss0"
)

// Default is the network of containers that ask for none. It serves no names, as Podman's and Docker's do not.
func Default() *Network {
	return &Network{
		Name: DefaultName, ID: ID(DefaultName), Driver: Bridge, NetworkInterface: DefaultInterface,
		Subnets: []Subnet{{
			Subnet:  netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 88, 0, 0}), 16),
			Gateway: netip.AddrFrom4([4]byte{10, 88, 0, 1}),
		}},
		IPAMOptions: map[string]string{"driver": IPAMLocal},
	}
}

// IsDefault says whether a name is that of the default network, which is Docker's bridge, too.
func IsDefault(name string) bool {
	switch name {
	case DefaultName, "default", "bridge":
		return true
	}
	return false
}

// ID is the id of a network of this name, as Podman makes it.
func ID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

// Bridge is the only driver of networks that can be used.
const Bridge = "bridge"

// The values of the ipam option driver.
const (
	IPAMLocal = "host-local"
	IPAMNone  = "none" // containers get no address
)

// Subnet4 is the network's subnet of IPv4; ok is false when it has none.
func (n *Network) Subnet4() (s Subnet, ok bool) { return n.subnet(netip.Addr.Is4) }

// Subnet6 is the network's subnet of IPv6; ok is false when it has none.
func (n *Network) Subnet6() (s Subnet, ok bool) { return n.subnet(netip.Addr.Is6) }

func (n *Network) subnet(family func(netip.Addr) bool) (Subnet, bool) {
	for _, s := range n.Subnets {
		if family(s.Subnet.Addr()) {
			return s, true
		}
	}
	return Subnet{}, false
}

// MTU is that of the network's links; 0 where nobody chose one.
func (n *Network) MTU() int {
	mtu, _ := strconv.Atoi(cmp.Or(n.Options[OptionMTU], n.Options[dockerMTU]))
	return mtu
}

// Metric is that of the default routes; ok is false where nobody chose one.
func (n *Network) Metric() (metric int, ok bool) {
	metric, err := strconv.Atoi(n.Options[OptionMetric])
	return metric, err == nil
}

// DefaultRoute says whether containers reach the outside through the network.
func (n *Network) DefaultRoute() bool {
	off, _ := strconv.ParseBool(n.Options[OptionNoDefaultRoute])
	return !n.Internal && !off
}

// Isolation is how far a network is kept from others.
type Isolation int

// The isolations, those of the option isolate.
const (
	Open     Isolation = iota
	Isolated           // from the other isolated ones
	Strict             // from all others
)

// Isolation is what the option isolate says.
func (n *Network) Isolation() Isolation {
	v := n.Options[OptionIsolate]
	if v == "strict" {
		return Strict
	}
	if on, _ := strconv.ParseBool(v); on {
		return Isolated
	}
	return Open
}

// reservation begins the ipam options that keep addresses for other machines: Docker's --aux-address.
const reservation = "aux-address."

// Reserve keeps an address from containers that ask for none.
func (n *Network) Reserve(name string, addr netip.Addr) {
	if n.IPAMOptions == nil {
		n.IPAMOptions = map[string]string{}
	}
	n.IPAMOptions[reservation+name] = addr.String()
}

// Reserved says whether an address is kept for somebody.
func (n *Network) Reserved(addr netip.Addr) bool {
	for key, value := range n.IPAMOptions {
		if strings.HasPrefix(key, reservation) && value == addr.String() {
			return true
		}
	}
	return false
}

// ChangeServers changes which servers are asked for names that no container has.
func (n *Network) ChangeServers(add, drop []netip.Addr) {
	list := slices.Clone(n.NetworkDNSServers)
	for _, a := range add {
		if !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	n.NetworkDNSServers = slices.DeleteFunc(list, func(a netip.Addr) bool { return slices.Contains(drop, a) })
}
