package network

import (
	"errors"
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
		if whole, err := rules.whole(); err != nil || whole {
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

// whole says whether the rules are there. Somebody may have removed the table, or flushed it, which leaves its chains and sets.
func (r *rules) whole() (bool, error) {
	for _, name := range []string{natChain, forwardChain, inputChain} {
		list, err := r.GetRules(r.table, &nftables.Chain{Name: name, Table: r.table})
		if errors.Is(err, syscall.ENOENT) || err == nil && len(list) == 0 {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// unsort takes a bridge that is gone out of all sets, if there still are any.
func unsort(bridge string) error {
	err := keepApart(bridge, 0)
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return err
}
