package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Mark is on packets of connections that are made, inside a container's namespace, in the name of a client
// of a published port. They and their answers stay inside: see answerInside.
const Mark = 0x6d6f7373

// plug makes the container's namespace and connects it to the bridge.
func (u *userNetwork) plug(a *Attachment, publish bool) (err error) {
	var inner *netlink.Handle
	a.NetNS, err = sys.NewNetNS(func() (err error) {
		if inner, err = netlink.NewHandle(syscall.NETLINK_ROUTE); err != nil {
			return err
		}
		if publish && acceptMarks() != nil {
			a.Warnings = append(a.Warnings,
				"servers in the container cannot see the addresses of clients of published ports: /proc/sys is not writable")
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer inner.Close()
	if err = u.configure(a, inner, publish); err != nil {
		a.NetNS.Close() // and with it the pair
		a.NetNS = nil
	}
	return err
}

func (u *userNetwork) configure(a *Attachment, inner *netlink.Handle, publish bool) error {
	if err := u.addPair(a); err != nil {
		return err
	}
	lo, err := inner.LinkByName("lo")
	if err != nil {
		return err
	}
	if err = inner.LinkSetUp(lo); err != nil {
		return fmt.Errorf("cannot bring lo up: %w", err)
	}
	eth, err := inner.LinkByName(a.Interface)
	if err != nil {
		return err
	}
	if err = inner.AddrAdd(eth, addr(a.Address)); err != nil {
		return fmt.Errorf("cannot give %s the address %s: %w", a.Interface, a.Address, err)
	}
	if err = inner.LinkSetUp(eth); err != nil {
		return fmt.Errorf("cannot bring %s up: %w", a.Interface, err)
	}
	route := &netlink.Route{LinkIndex: eth.Attrs().Index, Gw: a.Gateway.AsSlice()}
	if err = inner.RouteAdd(route); err != nil {
		return fmt.Errorf("cannot add a route by %s: %w", a.Gateway, err)
	}
	if publish {
		return answerInside(inner, lo.Attrs().Index)
	}
	return nil
}

// addPair makes the veth pair, one end on the bridge and the other at once in the container's namespace: moving it
// there later waits for every processor.
func (u *userNetwork) addPair(a *Attachment) error {
	attrs := netlink.NewLinkAttrs()
	ip := a.Address.Addr().As4()
	attrs.Name = fmt.Sprintf("veth%02x%02x", ip[2], ip[3])
	attrs.MTU, attrs.Flags = u.mtu(), net.FlagUp
	pair := &netlink.Veth{
		LinkAttrs: attrs, PeerName: a.Interface, PeerHardwareAddr: a.MAC, PeerMTU: uint32(u.mtu()),
		PeerNamespace: netlink.NsFd(int(a.NetNS.Fd())),
	}
	if err := u.addLink(pair); err != nil {
		return fmt.Errorf("cannot make a pair of interfaces: %w", err)
	}
	if err := u.links.LinkSetMasterByIndex(pair, u.bridge); err != nil {
		return fmt.Errorf("cannot connect to the bridge %s: %w", bridgeName, err)
	}
	// Isolated ports of a bridge reach the bridge itself only, not each other.
	if err := u.links.LinkSetIsolated(pair, true); err != nil {
		return fmt.Errorf("cannot isolate %s: %w", attrs.Name, err)
	}
	return nil
}

// addLink makes a pair whose name the lease has made ours: one that is still there belongs to a namespace
// that the kernel is about to take down.
func (u *userNetwork) addLink(pair *netlink.Veth) error {
	err := u.links.LinkAdd(pair)
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	old, err := u.links.LinkByName(pair.Name)
	if err == nil {
		err = u.links.LinkDel(old)
	}
	gone := errors.As(err, &netlink.LinkNotFoundError{}) || errors.Is(err, syscall.ENODEV)
	if err != nil && !gone {
		return err
	}
	pair.Index = 0
	return u.links.LinkAdd(pair)
}

// acceptMarks gives an accepted connection the mark of the packet that opened it (tcp_fwmark_accept in the
// kernel's ip-sysctl), so that its answers are marked too. It concerns the calling thread's namespace.
func acceptMarks() error {
	return os.WriteFile("/proc/sys/net/ipv4/tcp_fwmark_accept", []byte("1"), 0)
}

// answerInside routes marked packets to the namespace itself, whatever their destination: a server's answers to a client
// whose address a published port's forwarder has assumed reach the forwarder's socket.
func answerInside(inner *netlink.Handle, lo int) error {
	const table = 100
	all := &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
	route := &netlink.Route{LinkIndex: lo, Dst: all, Table: table, Type: syscall.RTN_LOCAL, Scope: netlink.SCOPE_HOST}
	if err := inner.RouteAdd(route); err != nil {
		return fmt.Errorf("cannot add a route for published ports: %w", err)
	}
	rule := netlink.NewRule()
	rule.Mark, rule.Table, rule.Priority, rule.Family = Mark, table, 100, netlink.FAMILY_V4
	if err := inner.RuleAdd(rule); err != nil {
		return fmt.Errorf("cannot add a rule for published ports: %w", err)
	}
	return nil
}
