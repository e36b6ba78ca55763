package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

const (
	bridgeName = "moss0"
	// slirpMTU makes a stream through slirp4netns several times faster than 1500 (its README, "Benchmarks").
	slirpMTU = 65520
)

// gateways are the networks that a bridge may get, by its own address. The user's namespace has nothing else in
// it and takes the first; a host takes the first that it has no route to.
var gateways = []string{"10.88.0.1/16", "10.89.0.1/16", "10.90.0.1/16", "10.91.0.1/16", "10.92.0.1/16"}

// userNetwork is the namespace that the containers' bridge is in.
type userNetwork struct {
	dir     string
	onHost  bool
	ns      *os.File
	links   *netlink.Handle
	bridge  int // index
	gateway netip.Prefix
}

func openUserNetwork(req Request) (*userNetwork, error) {
	ns, err := openNetNS(req.UserNetNS)
	if err != nil {
		return nil, err
	}
	u := &userNetwork{dir: req.Dir, onHost: req.UserNetNS == "", ns: ns}
	err = sys.InNetNS(ns, func() (err error) {
		u.links, err = netlink.NewHandle(syscall.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		ns.Close()
		return nil, err
	}
	return u, nil
}

func (u *userNetwork) close() {
	u.links.Close()
	u.ns.Close()
}

// ensureBridge finds the bridge or, once per namespace, makes it and what belongs to it. The bridge comes up last:
// one that is up is complete.
func (u *userNetwork) ensureBridge() error {
	if found, err := u.findBridge(); found || err != nil {
		return err
	}
	held, err := lock(u.dir)
	if err != nil {
		return err
	}
	defer held.Unlock()
	if found, err := u.findBridge(); found || err != nil {
		return err
	}
	if err := u.makeBridge(); err != nil {
		return fmt.Errorf("cannot make the bridge %s: %w", bridgeName, err)
	}
	return nil
}

func (u *userNetwork) findBridge() (bool, error) {
	link, err := u.links.LinkByName(bridgeName)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return false, nil
	}
	if err != nil || link.Attrs().Flags&net.FlagUp == 0 {
		return false, err
	}
	addresses, err := u.links.AddrList(link, netlink.FAMILY_V4)
	if err != nil || len(addresses) == 0 {
		return false, err
	}
	u.bridge = link.Attrs().Index
	u.gateway, err = netip.ParsePrefix(addresses[0].IPNet.String())
	return true, err
}

func (u *userNetwork) makeBridge() error {
	gateway, err := u.chooseGateway()
	if err != nil {
		return err
	}
	// A half-made one of a process that was killed.
	if old, err := u.links.LinkByName(bridgeName); err == nil {
		if err = u.links.LinkDel(old); err != nil {
			return err
		}
	}
	if err = masquerade(u.ns, gateway.Masked()); err != nil {
		return err
	}
	if err = u.forward(); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	// Without an address of its own a bridge changes it with its ports.
	attrs.Name, attrs.HardwareAddr, attrs.MTU = bridgeName, macOf(gateway.Addr()), u.mtu()
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err = u.links.LinkAdd(bridge); err != nil {
		return err
	}
	if err = u.links.AddrAdd(bridge, addr(gateway)); err != nil {
		return err
	}
	if err = u.links.LinkSetUp(bridge); err != nil {
		return err
	}
	u.bridge, u.gateway = bridge.Index, gateway
	return nil
}

// mtu is of all interfaces of the network; 0 is the kernel's default.
func (u *userNetwork) mtu() int {
	if u.onHost {
		return 0
	}
	return slirpMTU
}

// forward lets the kernel pass packets on.
func (u *userNetwork) forward() error {
	const sysctl = "/proc/sys/net/ipv4/ip_forward"
	return sys.InNetNS(u.ns, func() error { return os.WriteFile(sysctl, []byte("1"), 0) })
}

func (u *userNetwork) chooseGateway() (netip.Prefix, error) {
	routes, err := u.links.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return netip.Prefix{}, err
	}
	for _, text := range gateways {
		gateway := netip.MustParsePrefix(text)
		if !routed(routes, gateway) {
			return gateway, nil
		}
	}
	return netip.Prefix{}, errdefs.Errorf(errdefs.ErrUnavailable,
		"this host has routes to all networks from %s to %s: use --network host or none", gateways[0], gateways[len(gateways)-1])
}

// routed says whether a route other than the default leads into a network.
func routed(routes []netlink.Route, network netip.Prefix) bool {
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		dst, err := netip.ParsePrefix(r.Dst.String())
		if err == nil && dst.Bits() > 0 && dst.Overlaps(network) {
			return true
		}
	}
	return false
}

func addr(p netip.Prefix) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{
		IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
	}}
}
