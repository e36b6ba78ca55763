package libpod

import (
	"encoding/json"

	"github.com/mosscontainers/moss/network/published"
)

// publication tells the monitor what to publish. It is nil for a container without an address of its own: its
// ports are the host's already, or another container's, or nobody's.
func (s *launch) publication() (json.RawMessage, error) {
	net := &s.l.State.Network
	if len(s.c.Ports) == 0 || !net.Address.IsValid() {
		return nil, nil
	}
	return json.Marshal(published.Ports{Address: net.Address.Addr(), Gateway: net.Gateway, Mappings: s.c.Ports, Last: net.Ports})
}
