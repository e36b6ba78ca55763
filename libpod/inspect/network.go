package inspect

import (
	"cmp"
	"net/netip"
	"strconv"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/spec"
)

// NetworkSettings is how the container is reached.
type NetworkSettings struct {
	Endpoint                                        // on the first network
	Bridge                 string                   // always empty
	SandboxID              string                   // the container's id: there is one network namespace for each
	SandboxKey             string                   // path of that namespace while it runs
	HairpinMode            bool                     // always false
	LinkLocalIPv6Address   string                   // always empty
	LinkLocalIPv6PrefixLen int                      // always 0
	SecondaryIPAddresses   []string                 `json:",omitempty"` // always empty
	Ports                  map[string][]PortBinding // by "80/tcp"; with the ports that were chosen while it runs
	Networks               map[string]NetworkEndpoint
}

// Endpoint is the container's end of a network.
type Endpoint struct {
	EndpointID          string
	Gateway             string
	IPAddress           string
	IPPrefixLen         int
	IPv6Gateway         string
	GlobalIPv6Address   string
	GlobalIPv6PrefixLen int
	MacAddress          string
}

// NetworkEndpoint is the container's end of a network, and what was asked for there.
type NetworkEndpoint struct {
	Endpoint
	NetworkID  string
	DriverOpts map[string]string
	IPAMConfig *IPAMConfig // nil unless an address was asked for
	Links      []string
	Aliases    []string
	DNSNames   []string
	GwPriority int // the network where it is highest has the default route
}

// IPAMConfig are the addresses that were asked for.
type IPAMConfig struct {
	IPv4Address  string   `json:",omitempty"`
	IPv6Address  string   `json:",omitempty"`
	LinkLocalIPs []string `json:",omitempty"`
}

// PortBinding is where a port of the container is published on the host.
type PortBinding struct {
	HostIP   string `json:"HostIp"`
	HostPort string
}

func networkSettings(c *spec.Container, r *state.Record) NetworkSettings {
	s := NetworkSettings{Ports: portBindings(c.Ports, ""), Networks: map[string]NetworkEndpoint{}}
	for i := range c.Networks {
		want := &c.Networks[i]
		at := NetworkEndpoint{NetworkID: netconf.ID(want.Name), DriverOpts: map[string]string{}, Aliases: aliases(c, want), Links: append([]string{}, want.Links...)}
		at.DNSNames = append([]string{c.Name}, at.Aliases...)
		at.IPAMConfig, at.GwPriority = ipamConfig(want), want.GatewayPriority
		if got := r.Network.Endpoint(want.Name); got != nil && r.Active() {
			at.Endpoint = endpoint(c, got)
		}
		s.Networks[want.Name] = at
	}
	if !r.Active() {
		return s
	}
	s.Ports = portBindings(r.Network.Ports, "0.0.0.0")
	if len(r.Network.Endpoints) > 0 {
		s.Endpoint = endpoint(c, &r.Network.Endpoints[0])
	}
	s.SandboxID = c.ID
	if r.Init.Pid != 0 {
		s.SandboxKey = "/proc/" + strconv.Itoa(r.Init.Pid) + "/ns/net"
	}
	return s
}

func ipamConfig(want *spec.Connection) *IPAMConfig {
	if !want.IP.IsValid() && !want.IP6.IsValid() && len(want.LinkLocal) == 0 {
		return nil
	}
	config := &IPAMConfig{IPv4Address: text(want.IP), IPv6Address: text(want.IP6)}
	for _, a := range want.LinkLocal {
		config.LinkLocalIPs = append(config.LinkLocalIPs, a.String())
	}
	return config
}

// aliases are the container's names on a network beside its own.
func aliases(c *spec.Container, want *spec.Connection) []string {
	list := append([]string{}, want.Aliases...)
	return append(list, c.ID[:min(len(c.ID), 12)])
}

func endpoint(c *spec.Container, got *spec.Endpoint) Endpoint {
	e := Endpoint{
		EndpointID: netconf.ID(c.ID + got.Network), MacAddress: got.MAC,
		Gateway: text(got.Gateway), IPv6Gateway: text(got.Gateway6),
	}
	if got.Address.IsValid() {
		e.IPAddress, e.IPPrefixLen = got.Address.Addr().String(), got.Address.Bits()
	}
	if got.Address6.IsValid() {
		e.GlobalIPv6Address, e.GlobalIPv6PrefixLen = got.Address6.Addr().String(), got.Address6.Bits()
	}
	return e
}

// text is an address, or nothing.
func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// portBindings groups ports by the container's; everywhere is how an address of all is written.
func portBindings(ports []spec.PortMapping, everywhere string) map[string][]PortBinding {
	bindings := map[string][]PortBinding{}
	for _, p := range ports {
		b := PortBinding{HostIP: cmp.Or(p.HostIP, everywhere), HostPort: p.HostPorts()}
		bindings[p.Exposed()] = append(bindings[p.Exposed()], b)
	}
	return bindings
}
