package libpod

import (
	"encoding/json"
	"os"

	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// publication tells the monitor what to publish. It is nil for a container without an address of its own: its
// ports are the host's already, or another container's, or nobody's. One that is on no network may be connected to one later.
func (s *launch) publication() (json.RawMessage, error) {
	net := &s.l.State.Network
	none := len(net.Endpoints) == 0
	if len(s.c.Ports) == 0 || none && s.c.Network.Mode != spec.NetworkBridge {
		return nil, nil
	}
	p := published.Ports{RunDir: s.networkDir(), Mappings: s.c.Ports, Last: net.Ports}
	if none {
		p.Target = published.Nowhere()
	}
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

// forwarder is who serves the published ports of all of the user's containers.
func (e *Engine) forwarder() published.Forwarder {
	return published.Forwarder{RunDir: e.networkDir(), Outlive: outlive, Program: func() (*os.File, error) {
		p, err := e.monitorProgram()
		return p.file, err
	}}
}

// pendingForwarder is the forwarder while it is being asked for, which takes a while when it must be started.
type pendingForwarder struct {
	held *os.File
	err  error
	done chan struct{}
}

// holdForwarder begins to ask for the forwarder. release follows.
func (e *Engine) holdForwarder(ctx Context) *pendingForwarder {
	p := &pendingForwarder{done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.held, p.err = e.forwarder().Hold(ctx)
	}()
	return p
}

// wait waits until it lives. It is nothing on nil.
func (p *pendingForwarder) wait() error {
	if p == nil {
		return nil
	}
	<-p.done
	return p.err
}

// release lets go of it. It is nothing on nil.
func (p *pendingForwarder) release() error {
	if p.wait() != nil || p == nil {
		return nil // whoever needed it knows the error
	}
	return p.held.Close()
}
