package gvisor

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/uplink"
	"github.com/mosscontainers/moss/pkg/sys"
)

// makeTap makes and configures the interface of a link in a namespace.
func makeTap(netns *os.File, l *uplink.Link) (tap *os.File, err error) {
	err = sys.InNetNS(netns, func() error {
		if tap, err = sys.OpenTap(l.Interface); err != nil {
			return fmt.Errorf("cannot make the interface %s: %w", l.Interface, err)
		}
		if err := configure(l); err != nil {
			tap.Close()
			return fmt.Errorf("cannot configure %s: %w", l.Interface, err)
		}
		return nil
	})
	return tap, err
}

func configure(l *uplink.Link) error {
	link, err := netlink.LinkByName(l.Interface)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetMTU(link, l.MTU); err != nil {
		return err
	}
	if err := raiseLoopback(); err != nil {
		return err
	}
	// The kernel would assign an address from the hardware address otherwise, and look for routers.
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+l.Interface+"/accept_ra", []byte("0"), 0)
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	for _, a := range []uplink.Addresses{l.IPv4, l.IPv6} {
		if err := assign(link, a); err != nil {
			return err
		}
	}
	return nil
}

func raiseLoopback() error {
	const lo = 1 // the kernel makes it first
	return netlink.LinkSetUp(&netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: lo}})
}

func assign(link netlink.Link, a uplink.Addresses) error {
	if !a.Own.IsValid() {
		return nil
	}
	addr := &netlink.Addr{IPNet: &net.IPNet{
		IP: a.Own.Addr().AsSlice(), Mask: net.CIDRMask(a.Own.Bits(), a.Own.Addr().BitLen()),
	}}
	if a.Own.Addr().Is6() {
		addr.Flags = syscall.IFA_F_NODAD
	}
	if err := netlink.AddrAdd(link, addr); err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: a.Gateway.AsSlice()})
}
