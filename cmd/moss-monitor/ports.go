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

// publish has the ports served that libpod asked for. The other descriptors are only held.
func publish(ctx context.Context, req *monitor.Request, netns *os.File, _ []*os.File) (io.Closer, []spec.PortMapping, error) {
	var p published.Ports
	if err := json.Unmarshal(req.Wiring.Ports, &p); err != nil {
		return nil, nil, fmt.Errorf("cannot read what to publish: %w", err)
	}
	bound, err := port.Publish(ctx, port.Options{
		Ports: p, NetNS: netns,
		Tell: func(event string) { req.Wiring.Care.Tell(fmt.Sprintf("container %.12s: %s", req.ContainerID, event)) },
	})
	if err != nil {
		return nil, nil, err
	}
	return bound, bound.Mappings, nil
}
