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
	if len(s.c.Ports) == 0 || len(net.Endpoints) == 0 {
		return nil, nil
	}
	p := published.Ports{Mappings: s.c.Ports, Last: net.Ports}
	for _, at := range net.Endpoints {
		if !p.Address.IsValid() && at.Address.IsValid() {
			p.Address, p.Gateway = at.Address.Addr(), at.Gateway
		}
		if !p.Address6.IsValid() && at.Address6.IsValid() {
			p.Address6, p.Gateway6 = at.Address6.Addr(), at.Gateway6
		}
	}
	if !p.Address.IsValid() && !p.Address6.IsValid() {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot publish ports of container %s: its networks give it no address, at which they are served; connect it to one that does", s.c.Name)
	}
	return json.Marshal(p)
}
