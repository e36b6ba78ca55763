package network

import (
	"errors"
	"slices"
	"syscall"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Repair makes the rules of the user's namespace anew where somebody has removed them, with what they say of all networks, other stores' too.
// Rules about egress lists are the cables'.
func Repair(r Request) error {
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
		links, err := steady(h.LinkList)
		if err != nil {
			return err
		}
		errs := []error{translate()}
		for _, link := range links {
			if a := apart(link.Attrs().Group); a != 0 && link.Type() == "bridge" {
				errs = append(errs, keepApart(link.Attrs().Name, a))
			}
		}
		return errors.Join(errs...)
	})
}

// unsort takes a bridge that is gone out of all sets, if there still are any.
func unsort(bridge string) error {
	err := keepApart(bridge, 0)
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return err
}
