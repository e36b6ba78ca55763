package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/network/port"
	"github.com/mosscontainers/moss/pkg/spec"
)

// ports publishes the ports that libpod asked for. The other descriptors are only held.
func ports(ctx context.Context, req *monitor.Request, netns *os.File, _ []*os.File) (io.Closer, []spec.PortMapping, error) {
	var p port.Publication
	if err := json.Unmarshal(req.Ports, &p); err != nil {
		return nil, nil, fmt.Errorf("cannot read what to publish: %w", err)
	}
	s, err := port.Serve(ctx, port.Options{
		NetNS: netns, Address: p.Address, Gateway: p.Gateway, Mappings: p.Mappings, Dir: req.RunDir,
	})
	if err != nil {
		return nil, nil, err
	}
	return s, s.Mappings, nil
}
