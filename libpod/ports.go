package libpod

import (
	"encoding/json"

	"github.com/mosscontainers/moss/network/published"
)

// publication tells the monitor what to publish. It is nil for a container without an address of its own: its
// ports are the host's already, or another container's, or nobody's.
func (s *launch) publication() (json.RawMessage, error) {
	net := &s.l.State.Network
	for _, at := range net.Endpoints {
		if len(s.c.Ports) > 0 && at.Address.IsValid() {
			return json.Marshal(published.Ports{Address: at.Address.Addr(), Gateway: at.Gateway, Mappings: s.c.Ports, Last: net.Ports})
		}
	}
	return nil, nil
}
