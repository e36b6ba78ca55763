package network

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/mosscontainers/moss/network/dns"
)

// ServeNames returns when the user's DNS server answers for what package dns was told; fs.ErrNotExist says that the
// namespace's holder was killed. program is the content of moss-dns.
func ServeNames(ctx context.Context, r Request, program func() ([]byte, error)) error {
	netns, ok := r.open()
	if !ok {
		return fmt.Errorf("cannot serve the names of containers: the user's network namespace is gone: %w", fs.ErrNotExist)
	}
	defer netns.Close()
	return dns.Ensure(ctx, dns.Options{
		RunDir: r.RunDir, NetNS: netns, ExitPipe: r.uplink().pipePath(), Program: program, Outlive: r.Outlive,
	})
}
