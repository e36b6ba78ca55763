package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/network/port"
	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/spec"
)

// publish serves the ports that libpod asked for. The other descriptors are only held.
func publish(ctx context.Context, req *monitor.Request, netns *os.File, _ []*os.File) (io.Closer, []spec.PortMapping, error) {
	var p published.Ports
	if err := json.Unmarshal(req.Wiring.Ports, &p); err != nil {
		return nil, nil, fmt.Errorf("cannot read what to publish: %w", err)
	}
	s, err := port.Serve(ctx, port.Options{
		NetNS: netns, Address: p.Address, Gateway: p.Gateway, Address6: p.Address6, Gateway6: p.Gateway6,
		Mappings: p.Mappings, Last: p.Last,
		Tell: func(event string) { req.Wiring.Care.Tell(fmt.Sprintf("container %.12s: %s", req.ContainerID, event)) },
	})
	if err != nil {
		return nil, nil, err
	}
	return s, s.Mappings, nil
}
