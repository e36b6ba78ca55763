package port

import (
	"net/netip"

	"github.com/mosscontainers/moss/pkg/spec"
)

// Publication is what a container's monitor is told of its ports, as JSON.
type Publication struct {
	Address  netip.Addr         `json:"address"` // see Options
	Gateway  netip.Addr         `json:"gateway"`
	Mappings []spec.PortMapping `json:"mappings"`
}
