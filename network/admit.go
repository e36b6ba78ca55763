package network

import (
	"errors"
	"os"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/published"
)

// The priorities of rules in a container that is on no network, or has been: what is refused comes before what is local, for which the kernel has a rule of
// priority 0, before all others.
const (
	refusalPriority = 10
	localPriority   = 50
	localTable      = 255 // RT_TABLE_LOCAL, rtnetlink(7)
)

// Admit lets clients of published ports reach a container, or keeps them from one that is on no network: whoever takes a container off all of its
// networks wants it to be reached by nobody. To the kernel they come from within.
func Admit(netns *os.File, on bool) error {
	return inside(netns, func(h *netlink.Handle) error { return admit(h, on) })
}

func admit(h *netlink.Handle, on bool) error {
	if err := admitFamily(h, netlink.FAMILY_V4, on); err != nil {
		return err
	}
	_ = admitFamily(h, netlink.FAMILY_V6, on) // without IPv6 in the kernel no such client comes
	return nil
}

func admitFamily(h *netlink.Handle, family int, on bool) error {
	const unreachable = 7 // FR_ACT_UNREACHABLE, linux/fib_rules.h
	refusal := netlink.NewRule()
	refusal.Family, refusal.Mark, refusal.Type, refusal.Priority = family, published.Mark, unreachable, refusalPriority
	if on {
		if err := h.RuleDel(refusal); !errors.Is(err, syscall.ENOENT) {
			return err
		}
		return nil
	}
	local := netlink.NewRule()
	local.Family, local.Table, local.Priority = family, localTable, localPriority
	for _, rule := range []*netlink.Rule{local, refusal} {
		if err := h.RuleAdd(rule); err != nil && !errors.Is(err, syscall.EEXIST) {
			return err
		}
	}
	rules, err := steady(func() ([]netlink.Rule, error) { return h.RuleList(family) })
	first := slices.IndexFunc(rules, func(r netlink.Rule) bool { return r.Table == localTable && r.Priority <= 0 })
	if err != nil || first < 0 {
		return err
	}
	return h.RuleDel(&rules[first])
}
