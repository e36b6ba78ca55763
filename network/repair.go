package network

import (
	"errors"
	"slices"
	"syscall"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Repair makes the rules of the user's namespace anew where somebody has removed them, with what they say of the networks known to the caller's store.
// Rules about egress lists are the cables'.
func Repair(r Request, known []*netconf.Network) error {
	return r.there(func(h *netlink.Handle) error {
		lock, err := sys.LockFile(r.lockPath(), false)
		if err != nil {
			return err
		}
		defer lock.Unlock()
		rules, err := openRules()
		if err != nil {
			return err
		}
		tables, err := rules.ListTablesOfFamily(rules.table.Family)
		if err != nil || slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == rules.table.Name }) {
			return err
		}
		errs := []error{translate()}
		for _, n := range known {
			if n.Damaged == nil && findBridge(h, n) != 0 {
				errs = append(errs, keepApart(n))
			}
		}
		return errors.Join(errs...)
	})
}

// unsort takes a bridge that is gone out of all sets, if there still are any.
func unsort(bridge string) error {
	err := sort(bridge, map[string]bool{internalSet: false, isolatedSet: false, strictSet: false})
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return err
}
