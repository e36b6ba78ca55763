package libpod

import (
	"encoding/json"

	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/errdefs"
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
	if len(s.c.Ports) > 0 && len(net.Endpoints) > 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot publish ports of container %s: its networks give it no IPv4 address, at which they are served; connect it to one that does", s.c.Name)
	}
	return nil, nil
}
