package inspect

import (
	"cmp"
	"strconv"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/spec"
)

// NetworkSettings is how the container is reached.
type NetworkSettings struct {
	Endpoint
	Ports    map[string][]PortBinding // by "80/tcp"; with the ports that were chosen while it runs
	Networks map[string]Endpoint      `json:",omitempty"`
}

// Endpoint is the container's end of a network.
type Endpoint struct {
	Gateway     string
	IPAddress   string
	IPPrefixLen int
	MacAddress  string
}

// PortBinding is where a port of the container is published on the host.
type PortBinding struct {
	HostIP   string `json:"HostIp"`
	HostPort string
}

// networkSettings are those of the network called name.
func networkSettings(name string, c *spec.Container, r *state.Record) NetworkSettings {
	s := NetworkSettings{Ports: portBindings(c.Ports, "")}
	if !r.Active() {
		return s
	}
	s.Ports = portBindings(r.Network.Ports, "0.0.0.0")
	if r.Network.Address.IsValid() {
		s.Endpoint = Endpoint{
			IPAddress:   r.Network.Address.Addr().String(),
			IPPrefixLen: r.Network.Address.Bits(),
			MacAddress:  r.Network.MAC,
		}
		if r.Network.Gateway.IsValid() {
			s.Gateway = r.Network.Gateway.String()
		}
		s.Networks = map[string]Endpoint{name: s.Endpoint}
	}
	return s
}

// portBindings groups ports by the container's; everywhere is how an address of all is written.
func portBindings(ports []spec.PortMapping, everywhere string) map[string][]PortBinding {
	bindings := map[string][]PortBinding{}
	for _, p := range ports {
		b := PortBinding{HostIP: cmp.Or(p.HostIP, everywhere), HostPort: p.HostPorts()}
		bindings[portName(p)] = append(bindings[portName(p)], b)
	}
	return bindings
}

// portName is docker's: "80/tcp".
func portName(p spec.PortMapping) string {
	return strconv.Itoa(int(p.ContainerPort)) + "/" + cmp.Or(p.Protocol, "tcp")
}
