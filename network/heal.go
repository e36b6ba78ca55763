package network

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Heal brings back what serves the networks of all of the user's containers, where it was killed, and says what it did.
// Of the request it needs what is not about one container.
func Heal(ctx context.Context, r Request) (did []string, err error) {
	if err := os.MkdirAll(r.RunDir, 0o700); err != nil {
		return nil, err
	}
	up := r.uplink()
	old, _ := up.read()
	user, pipe, err := up.ensure(ctx)
	if pipe != nil {
		defer pipe.Close()
	}
	if err != nil {
		return nil, err
	}
	defer user.Close()
	if now, ok := up.read(); ok && now.Process != old.Process {
		did = append(did, fmt.Sprintf("the uplink, process %d, had ended: process %d is in its place", old.Process.Pid, now.Process.Pid))
	}
	return did, sys.InNetNS(user, func() error {
		h, err := netlink.NewHandle(syscall.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("cannot open a netlink socket: %w", err)
		}
		defer h.Close()
		_, err = ensureBridge(h, filepath.Join(r.RunDir, "lock"))
		return err
	})
}
