//go:build !moss_ports

package main

import (
	"context"
	"io"
	"os"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/pkg/spec"
)

// ports is nothing here: see ports.go.
var ports func(context.Context, *monitor.Request, *os.File, []*os.File) (io.Closer, []spec.PortMapping, error)
