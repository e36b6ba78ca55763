package network

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// leasesDir holds one empty file per lease, named ADDRESS@CONTAINER: a lease is made and ended by one system call,
// and all of them are known after reading a directory.
const leasesDir = "leases"

// lease is an address that belongs to a container.
type lease struct {
	address netip.Addr
	path    string
}

// takeLease gives a container the lowest free address of the gateway's network.
func takeLease(req Request, gateway netip.Prefix) (lease, error) {
	held, err := lock(req.Dir)
	if err != nil {
		return lease{}, err
	}
	defer held.Unlock()
	dir := filepath.Join(req.Dir, leasesDir)
	taken, err := currentLeases(dir, filepath.Dir(req.Dir), req.ContainerID)
	if err != nil {
		return lease{}, err
	}
	for a := gateway.Addr().Next(); gateway.Contains(a.Next()); a = a.Next() { // the last one is the broadcast address
		if taken[a] {
			continue
		}
		l := lease{address: a, path: filepath.Join(dir, a.String()+"@"+req.ContainerID)}
		f, err := os.OpenFile(l.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return lease{}, err
		}
		return l, f.Close()
	}
	return lease{}, errdefs.Errorf(errdefs.ErrUnavailable, "all addresses of %s are in use: remove containers", gateway.Masked())
}

// currentLeases reads the addresses in use. It ends the leases of containers without a run directory, and those
// that self has from an earlier start.
func currentLeases(dir, runDirs, self string) (map[netip.Addr]bool, error) {
	leases, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(runDirs)
	if err != nil {
		return nil, err
	}
	running := make(map[string]bool, len(entries))
	for _, e := range entries {
		running[e.Name()] = true
	}
	taken := make(map[netip.Addr]bool, len(leases))
	for _, e := range leases {
		text, id, _ := strings.Cut(e.Name(), "@")
		address, err := netip.ParseAddr(text)
		if err == nil && running[id] && id != self {
			taken[address] = true
		} else if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return taken, nil
}
