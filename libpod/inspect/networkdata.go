package inspect

import (
	"net/netip"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/network/netconf"
)

// NetworkData is the document of one network. Its JSON is Podman's, with those of Docker's fields that have other names.
type NetworkData struct {
	netconf.Network
	Scope      string // local
	EnableIPv4 bool
	EnableIPv6 bool
	IPAM       IPAM
	Attachable bool // always true: there are no services that have networks to themselves
	Ingress    bool // always false
	ConfigFrom ConfigReference
	ConfigOnly bool                        // always false
	Containers map[string]NetworkContainer `json:"containers"` // those that run, by their ids
	Peers      []string                    `json:",omitempty"` // always empty
	Services   map[string]string           `json:",omitempty"` // always empty
	Status     NetworkStatus
}

// IPAM is Docker's view of subnets.
type IPAM struct {
	Driver  string
	Options map[string]string
	Config  []IPAMSubnet
}

// IPAMSubnet is one subnet.
type IPAMSubnet struct {
	Subnet  string
	Gateway string `json:",omitempty"`
	IPRange string `json:",omitempty"`
}

// ConfigReference names a network that another takes its configuration from. Nobody does here.
type ConfigReference struct{ Network string }

// NetworkStatus is how much of the network is in use.
type NetworkStatus struct{ IPAM IPAMStatus }

// IPAMStatus counts addresses by subnet.
type IPAMStatus struct{ Subnets map[string]SubnetStatus }

// SubnetStatus counts the addresses of a subnet.
type SubnetStatus struct{ IPsInUse uint64 }

// NetworkContainer is a container on a network.
type NetworkContainer struct {
	Name        string                      `json:"name"`
	Interfaces  map[string]NetworkInterface `json:"interfaces"`
	EndpointID  string
	MacAddress  string
	IPv4Address string // with the subnet's length
	IPv6Address string
}

// NetworkInterface is a container's interface on a network.
type NetworkInterface struct {
	Subnets    []InterfaceSubnet `json:"subnets"`
	MacAddress string            `json:"mac_address"`
}

// InterfaceSubnet is an address of an interface, with the subnet's length.
type InterfaceSubnet struct {
	IPNet   string `json:"ipnet"`
	Gateway string `json:"gateway,omitempty"`
}

// Id is the ID, as Docker spells it.
func (d *NetworkData) Id() string { return d.ID }

// Network is the document of a network, which these containers are on.
func Network(n *netconf.Network, on []*state.Container) *NetworkData {
	_, v4 := n.Subnet4()
	d := &NetworkData{
		Network: *n, Scope: "local", EnableIPv4: v4, EnableIPv6: n.IPv6Enabled, Attachable: true,
		IPAM:       IPAM{Driver: n.IPAMOptions["driver"], Options: n.IPAMOptions, Config: []IPAMSubnet{}},
		Containers: map[string]NetworkContainer{},
		Status:     NetworkStatus{IPAMStatus{map[string]SubnetStatus{}}},
	}
	d.Labels, d.Options, d.IPAMOptions = presentMap(n.Labels), presentMap(n.Options), presentMap(n.IPAMOptions)
	for _, s := range n.Subnets {
		c := IPAMSubnet{Subnet: s.Subnet.String(), Gateway: text(s.Gateway)}
		if s.LeaseRange != nil {
			c.IPRange = s.LeaseRange.StartIP.String() + "-" + s.LeaseRange.EndIP.String()
		}
		d.IPAM.Config = append(d.IPAM.Config, c)
		d.Status.IPAM.Subnets[s.Subnet.String()] = SubnetStatus{}
	}
	for _, c := range on {
		d.add(c)
	}
	return d
}

// add shows a container, if it runs.
func (d *NetworkData) add(c *state.Container) {
	at := c.State.Network.Endpoint(d.Name)
	if at == nil || !c.State.Active() {
		return
	}
	on := NetworkContainer{
		Name: c.Spec.Name, EndpointID: endpoint(c.Spec, at).EndpointID, MacAddress: at.MAC,
		IPv4Address: prefix(at.Address), IPv6Address: prefix(at.Address6),
	}
	shown := NetworkInterface{Subnets: []InterfaceSubnet{}, MacAddress: at.MAC}
	for _, one := range []struct {
		addr    netip.Prefix
		gateway netip.Addr
	}{{at.Address, at.Gateway}, {at.Address6, at.Gateway6}} {
		if !one.addr.IsValid() {
			continue
		}
		shown.Subnets = append(shown.Subnets, InterfaceSubnet{one.addr.String(), text(one.gateway)})
		subnet := one.addr.Masked().String()
		d.Status.IPAM.Subnets[subnet] = SubnetStatus{d.Status.IPAM.Subnets[subnet].IPsInUse + 1}
	}
	on.Interfaces = map[string]NetworkInterface{at.Interface: shown}
	d.Containers[c.Spec.ID] = on
}

func prefix(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}
