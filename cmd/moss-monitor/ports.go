package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/network/port"
	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/spec"
)

// publish has the ports served that libpod asked for. The other descriptors are only held.
func publish(ctx context.Context, req *monitor.Request, netns *os.File, _ []*os.File) (monitor.Ports, []spec.PortMapping, error) {
	o, err := portOptions(req, netns)
	if err != nil {
		return nil, nil, err
	}
	bound, err := port.Publish(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	return bound, bound.Mappings, nil
}

// continuePorts goes on with that.
func continuePorts(req *monitor.Request, netns *os.File, chosen []spec.PortMapping, sockets []*os.File, server *os.File) (monitor.Ports, error) {
	o, err := portOptions(req, netns)
	if err != nil {
		return nil, err
	}
	return port.Continue(o, chosen, sockets, server), nil
}

func portOptions(req *monitor.Request, netns *os.File) (port.Options, error) {
	var p published.Ports
	if err := json.Unmarshal(req.Wiring.Ports, &p); err != nil {
		return port.Options{}, fmt.Errorf("cannot read what to publish: %w", err)
	}
	return port.Options{
		Ports: p, NetNS: netns,
		Tell: func(event string) { req.Wiring.Care.Tell(fmt.Sprintf("container %.12s: %s", req.ContainerID, event)) },
	}, nil
}
