package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/pkg/sys"
)

const (
	bridgeName = "moss0"
	// mtu is what slirp4netns takes at most, rounded down as Podman does. Within the machine a large one saves
	// work per byte.
	mtu = 65520
	// loopback is the index of lo: the kernel makes it first.
	loopback = 1
)

// gateway is the bridge's own address.
var gateway = netip.MustParsePrefix("10.88.0.1/16")

// ensureBridge finds the bridge of the user's namespace, which the calling thread is in, or makes it. The
// bridge is brought up last: one that is up is complete.
func ensureBridge(h *netlink.Handle, lockPath string) (index int, err error) {
	if index, ok := bridgeIndex(h); ok {
		return index, nil
	}
	lock, err := sys.LockFile(lockPath, false)
	if err != nil {
		return 0, err
	}
	defer lock.Unlock()
	if index, ok := bridgeIndex(h); ok {
		return index, nil
	}
	if err := makeBridge(h); err != nil {
		return 0, fmt.Errorf("cannot make the bridge %s: %w", bridgeName, err)
	}
	index, _ = bridgeIndex(h)
	return index, nil
}

func bridgeIndex(h *netlink.Handle) (int, bool) {
	link, err := h.LinkByName(bridgeName)
	if err != nil || link.Attrs().Flags&net.FlagUp == 0 {
		return 0, false
	}
	return link.Attrs().Index, true
}

func makeBridge(h *netlink.Handle) error {
	if old, err := h.LinkByName(bridgeName); err == nil { // somebody was killed in here
		if err := h.LinkDel(old); err != nil {
			return err
		}
	}
	attrs := netlink.NewLinkAttrs()
	// A bridge without an address of its own takes the lowest of its ports', which then changes under
	// everybody who has resolved it.
	attrs.Name, attrs.MTU, attrs.HardwareAddr = bridgeName, mtu, macOf(gateway.Addr())
	snoop := false
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snoop}
	if err := h.LinkAdd(bridge); err != nil {
		return err
	}
	if err := h.AddrAdd(bridge, &netlink.Addr{IPNet: ipNet(gateway)}); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return err
	}
	if err := translate(); err != nil {
		return err
	}
	if err := raiseLoopback(h); err != nil {
		return err
	}
	return h.LinkSetUp(bridge)
}

// plug makes the container's namespace, claims an address and configures both ends of the cable. One
// thread visits the user's namespace, then the new one, and is thrown away.
func (a *Attachment) plug(user *os.File, r *Request, lockPath string) error {
	return sys.OnThread(func() error {
		if err := sys.Setns(user, sys.CloneNet); err != nil {
			return err
		}
		outer, err := netlink.NewHandle(syscall.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("cannot open a netlink socket: %w", err)
		}
		defer outer.Close()
		bridge, err := ensureBridge(outer, lockPath)
		if err != nil {
			return err
		}
		if a.NetNS, err = sys.UnshareNet(); err != nil {
			return err
		}
		a.Address, err = claim(outer, r.ContainerID, bridge, a.NetNS)
		if err != nil {
			return err
		}
		a.MAC = macOf(a.Address.Addr())
		if err := configure(a.Address, r.Published); err != nil {
			return fmt.Errorf("cannot configure %s of the container: %w", Interface, err)
		}
		return nil
	})
}

// claim makes the veth pair under the first name that is free, and by that leases the address. It starts
// at an address made from the container's id, so that a container mostly gets its old one again.
func claim(h *netlink.Handle, id string, bridge int, ns *os.File) (netip.Prefix, error) {
	for try := range addresses {
		addr := candidate(id, try)
		err := makeVeth(h, addr, bridge, ns, id)
		if errors.Is(err, syscall.EEXIST) {
			if !staleOf(h, addr, id) {
				continue
			}
			err = makeVeth(h, addr, bridge, ns, id)
		}
		if errors.Is(err, syscall.EEXIST) {
			continue
		}
		if err != nil {
			err = fmt.Errorf("cannot connect the container to %s: %w", bridgeName, err)
		}
		return netip.PrefixFrom(addr, gateway.Bits()), err
	}
	return netip.Prefix{}, fmt.Errorf("cannot find a free address in %s: all are in use", gateway.Masked())
}

// staleOf removes the link of an earlier life of the same container, whose namespace the kernel has
// not finished removing, and says whether there was one.
func staleOf(h *netlink.Handle, addr netip.Addr, id string) bool {
	link, err := h.LinkByName(vethName(addr))
	return err != nil || (link.Attrs().Alias == id && h.LinkDel(link) == nil)
}

func makeVeth(h *netlink.Handle, addr netip.Addr, bridge int, ns *os.File, id string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.Flags, attrs.TxQLen = vethName(addr), mtu, net.FlagUp, 1000
	attrs.Alias = id
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: Interface, PeerHardwareAddr: macOf(addr),
		PeerNamespace: netlink.NsFd(int(ns.Fd())),
	}
	if err := h.LinkAdd(veth); err != nil {
		return err
	}
	if err := h.LinkSetMasterByIndex(veth, bridge); err != nil {
		return err
	}
	// Isolated ports speak with the bridge itself only, not with each other (bridge(8)).
	if err := h.LinkSetIsolated(veth, true); err != nil {
		return err
	}
	return h.LinkSetAlias(veth, id)
}

// configure gives the container's end, in the calling thread's namespace, its address and routes.
func configure(addr netip.Prefix, published bool) error {
	h, err := netlink.NewHandle(syscall.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	eth, err := h.LinkByName(Interface)
	if err != nil {
		return err
	}
	if err := raiseLoopback(h); err != nil {
		return err
	}
	if err := h.AddrAdd(eth, &netlink.Addr{IPNet: ipNet(addr)}); err != nil {
		return err
	}
	if err := h.LinkSetUp(eth); err != nil {
		return err
	}
	route := &netlink.Route{LinkIndex: eth.Attrs().Index, Gw: gateway.Addr().AsSlice()}
	if err := h.RouteAdd(route); err != nil {
		return err
	}
	if published {
		return routeAnswers(h)
	}
	return nil
}

// raiseLoopback brings lo up in the handle's namespace.
func raiseLoopback(h *netlink.Handle) error {
	return h.LinkSetUp(&netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: loopback}})
}
