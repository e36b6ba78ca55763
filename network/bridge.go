package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

const (
	// defaultMTU is what slirp4netns takes at most, rounded down as Podman does. Within the machine a large one saves
	// work per byte.
	defaultMTU = 65520
	// loopback is the index of lo: the kernel makes it first.
	loopback = 1
)

// mtuOf is that of all links of a network. (That of a bridge without ports is the kernel's choice.)
func mtuOf(n *netconf.Network) int {
	if mtu := n.MTU(); mtu != 0 {
		return mtu
	}
	return defaultMTU
}

// ensureBridges finds the bridges of networks in the user's namespace, which the calling thread is in, or makes them, and returns
// their indices. A bridge is brought up last: one that is up is complete, and so is what all bridges need.
func ensureBridges(h *netlink.Handle, lockPath string, networks []*netconf.Network) ([]int, error) {
	bridges := make([]int, len(networks))
	complete := true
	for i, n := range networks {
		bridges[i] = findBridge(h, n)
		complete = complete && bridges[i] != 0
	}
	if complete {
		return bridges, nil
	}
	lock, err := sys.LockFile(lockPath, false)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	if err := ensureBase(h); err != nil {
		return nil, fmt.Errorf("cannot set up the network: %w", err)
	}
	for i, n := range networks {
		if err := regroup(h, n); err != nil {
			return nil, fmt.Errorf("cannot keep network %q apart: %w", n.Name, err)
		}
		if bridges[i] = findBridge(h, n); bridges[i] != 0 {
			continue
		}
		if err := makeBridge(h, n); err != nil {
			return nil, fmt.Errorf("cannot make the bridge of network %q: %w", n.Name, err)
		}
		bridges[i] = findBridge(h, n)
	}
	return bridges, nil
}

// findBridge is the index of the complete bridge of a network, 0 when there is none.
func findBridge(h *netlink.Handle, n *netconf.Network) (index int) {
	link, err := h.LinkByName(n.NetworkInterface)
	if err != nil || !isBridgeOf(link, n) || link.Attrs().Group != uint32(apartOf(n)) {
		return 0
	}
	return link.Attrs().Index
}

// isBridgeOf says whether a link is a network's bridge, and up.
func isBridgeOf(link netlink.Link, n *netconf.Network) bool {
	return link.Attrs().Flags&net.FlagUp != 0 && link.Attrs().Alias == n.Owner
}

// regroup sorts a bridge whose group does not say what its network asks for: an older moss, which had no groups, has made it.
func regroup(h *netlink.Handle, n *netconf.Network) error {
	link, err := h.LinkByName(n.NetworkInterface)
	if err != nil || n.Owner == "" || !isBridgeOf(link, n) || link.Attrs().Group == uint32(apartOf(n)) {
		return nil
	}
	if err := keepApart(n.NetworkInterface, apartOf(n)); err != nil {
		return err
	}
	return h.LinkSetGroup(link, int(apartOf(n)))
}

// baseMark is the alias of the loopback interface of a namespace that has what all networks share.
const baseMark = "moss"

// ensureBase sets up what all networks share. The mark comes last.
func ensureBase(h *netlink.Handle) error {
	lo, err := h.LinkByIndex(loopback)
	if err != nil || lo.Attrs().Alias == baseMark {
		return err
	}
	if err := forward(); err != nil {
		return err
	}
	if err := translate(); err != nil {
		return err
	}
	if err := raiseLoopback(h); err != nil {
		return err
	}
	return h.LinkSetAlias(lo, baseMark)
}

// forward lets the calling thread's namespace route between networks, and keeps what stays on one bridge from the rules about
// that (br_netfilter). Interfaces that are made after that ask no neighbours whether their addresses are theirs (RFC 4862, 5.4), for which a bridge would
// pass on no IPv6 for two seconds. A kernel may have no IPv6, and need not filter what bridges pass on.
func forward() error {
	for _, f := range []struct {
		path, value string
		optional    bool
	}{
		{"ipv4/ip_forward", "1", false},
		{"ipv6/conf/all/forwarding", "1", true},
		{"ipv6/conf/default/accept_dad", "0", true},
		{"bridge/bridge-nf-call-iptables", "0", true},
		{"bridge/bridge-nf-call-ip6tables", "0", true},
	} {
		err := os.WriteFile("/proc/sys/net/"+f.path, []byte(f.value), 0)
		if err != nil && !(f.optional && errors.Is(err, os.ErrNotExist)) {
			return err
		}
	}
	return nil
}

func makeBridge(h *netlink.Handle, n *netconf.Network) error {
	if err := makeRoom(h, n); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.Group = n.NetworkInterface, mtuOf(n), uint32(apartOf(n))
	// A bridge without an address of its own takes the lowest of its ports', which then changes under
	// everybody who has resolved it.
	attrs.HardwareAddr = bareMAC(n.NetworkInterface)
	if s, ok := n.Subnet4(); ok {
		attrs.HardwareAddr = macOf(s.Gateway)
	}
	snoop := false
	link := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snoop}
	if err := h.LinkAdd(link); err != nil {
		return err
	}
	if n.Owner != "" {
		if err := h.LinkSetAlias(link, n.Owner); err != nil {
			return err
		}
		if err := keepApart(n.NetworkInterface, apartOf(n)); err != nil {
			return err
		}
	}
	for _, s := range n.Subnets {
		if err := h.AddrAdd(link, address(netip.PrefixFrom(s.Gateway, s.Subnet.Bits()))); err != nil {
			return err
		}
	}
	return h.LinkSetUp(link)
}

// address is one to be added. It is in use at once: nobody but us gives addresses here, so no neighbour is asked (RFC 4862, 5.4).
func address(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		a.Flags = syscall.IFA_F_NODAD
	}
	return a
}

// makeRoom removes a bridge of this name that nobody uses: somebody was killed while making it, or removing its network. It refuses
// to take what another network has.
func makeRoom(h *netlink.Handle, n *netconf.Network) error {
	links, err := steady(h.LinkList)
	if err != nil {
		return err
	}
	for _, old := range links {
		if old.Attrs().Name != n.NetworkInterface {
			continue
		}
		for _, port := range links {
			if port.Attrs().MasterIndex == old.Attrs().Index {
				return errdefs.Errorf(errdefs.ErrConflict, "the interface %s is another network's, which is in use; remove one of them, or make it again with another --interface-name", n.NetworkInterface)
			}
		}
		if err := h.LinkDel(old); err != nil {
			return err
		}
	}
	taken, err := subnets(h)
	if err != nil {
		return err
	}
	for _, s := range n.Subnets {
		if clash, ok := netconf.Overlap(s.Subnet, taken); ok {
			return errdefs.Errorf(errdefs.ErrConflict, "its subnet %s overlaps %s, which is in use by another network of this user, perhaps of another store; remove that one, or choose another subnet", s.Subnet, clash)
		}
	}
	return nil
}

// subnets are those of all links but the loopback one.
func subnets(h *netlink.Handle) ([]netip.Prefix, error) {
	addrs, err := steady(func() ([]netlink.Addr, error) { return h.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, err
	}
	var list []netip.Prefix
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP)
		if bits, _ := a.Mask.Size(); ok && !ip.IsLinkLocalUnicast() && !ip.IsLoopback() {
			list = append(list, netip.PrefixFrom(ip.Unmap(), bits).Masked())
		}
	}
	return list, nil
}

// raiseLoopback brings lo up in the handle's namespace.
func raiseLoopback(h *netlink.Handle) error {
	return h.LinkSetUp(&netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: loopback}})
}
