// Package published is what those who prepare published ports and those who serve them (package port) agree on. It is apart
// from both, because serving them takes libraries that a quick command does not load.
package published

import (
	"net/netip"

	"github.com/mosscontainers/moss/pkg/spec"
)

// Mark is the mark of the packets of published connections inside a container's network namespace, and the number
// of the routing table for the answers.
const Mark = 0x6d6f

// Ports is what a container's monitor is told of its ports, as JSON.
type Ports struct {
	Address  netip.Addr         `json:"address"` // see port.Options
	Gateway  netip.Addr         `json:"gateway"`
	Address6 netip.Addr         `json:"address6"`
	Gateway6 netip.Addr         `json:"gateway6"`
	Mappings []spec.PortMapping `json:"mappings"`
	// Last are the mappings of the container's last life: a port that was chosen then is chosen again if it can be had.
	Last []spec.PortMapping `json:"last,omitempty"`
}
