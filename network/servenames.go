package network

import (
	"context"
	"errors"

	"github.com/mosscontainers/moss/network/dns"
)

// ServeNames returns when the user's DNS server answers for what package dns was told. program is the content of moss-dns.
func ServeNames(ctx context.Context, r Request, program func() ([]byte, error)) error {
	netns, ok := r.open()
	if !ok {
		return errors.New("cannot serve the names of containers: the user's network namespace is gone")
	}
	defer netns.Close()
	return dns.Ensure(ctx, dns.Options{
		RunDir: r.RunDir, NetNS: netns, ExitPipe: r.uplink().pipePath(), Program: program, Outlive: r.Outlive,
	})
}
