package network_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/network/egress"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/sys"
)

// wire is a socket for whole frames at a link.
type wire struct {
	t     *testing.T
	fd    int
	index int
}

func bigEndian(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

// onWire opens one at a link of the namespace that in goes to.
func onWire(t *testing.T, in func(func() error) error, name string) *wire {
	t.Helper()
	w := &wire{t: t}
	must(t, in(func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		w.index = l.Attrs().Index
		w.fd, err = syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, int(bigEndian(syscall.ETH_P_ALL)))
		if err != nil {
			return err
		}
		return syscall.Bind(w.fd, &syscall.SockaddrLinklayer{Protocol: bigEndian(syscall.ETH_P_ALL), Ifindex: w.index})
	}))
	t.Cleanup(func() { syscall.Close(w.fd) })
	return w
}

func (w *wire) send(frame []byte) {
	w.t.Helper()
	must(w.t, syscall.Sendto(w.fd, frame, 0, &syscall.SockaddrLinklayer{Ifindex: w.index}))
}

// sees says whether a frame with this text comes by until one with the text end does.
func (w *wire) sees(text, end string) bool {
	w.t.Helper()
	tv := syscall.NsecToTimeval((10 * time.Second).Nanoseconds())
	must(w.t, syscall.SetsockoptTimeval(w.fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &tv))
	b := make([]byte, 1<<16)
	seen := false
	for {
		n, _, err := syscall.Recvfrom(w.fd, b, 0)
		if err != nil {
			w.t.Fatalf("waiting for the end: %v", err)
		}
		seen = seen || bytes.Contains(b[:n], []byte(text))
		if bytes.Contains(b[:n], []byte(end)) {
			return seen
		}
	}
}

// The texts that frames carry.
const forged, last = "this one is forged", "this one is the last"

// ethernet is a frame.
func ethernet(to, from net.HardwareAddr, kind uint16, payload []byte) []byte {
	return slices.Concat(to, from, binary.BigEndian.AppendUint16(nil, kind), payload)
}

func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// packet is one of IPv4 or IPv6.
func packet(from, to netip.Addr, protocol byte, payload []byte) []byte {
	if to.Is6() {
		h := make([]byte, 8)
		h[0] = 6 << 4
		binary.BigEndian.PutUint16(h[4:], uint16(len(payload)))
		h[6], h[7] = protocol, 255
		return slices.Concat(h, from.AsSlice(), to.AsSlice(), payload)
	}
	h := make([]byte, 12)
	h[0], h[8], h[9] = 4<<4|5, 64, protocol
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(payload)))
	h = slices.Concat(h, from.AsSlice(), to.AsSlice())
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	return append(h, payload...)
}

// datagram is one of UDP with a text; over IPv4 it needs no checksum.
func datagram(text string) []byte {
	h := make([]byte, 8)
	binary.BigEndian.PutUint16(h, 5000)
	binary.BigEndian.PutUint16(h[2:], 7000)
	binary.BigEndian.PutUint16(h[4:], uint16(8+len(text)))
	return append(h, text...)
}

// advertisement tells that an address is at a hardware address (RFC 4861, 4.4).
func advertisement(from, to, target netip.Addr, mac net.HardwareAddr) []byte {
	body := slices.Concat([]byte{136, 0, 0, 0, 0x20, 0, 0, 0}, target.AsSlice(), []byte{2, 1}, mac)
	pseudo := slices.Concat(from.AsSlice(), to.AsSlice(), []byte{0, 0, 0, byte(len(body)), 0, 0, 0, 58}, body)
	binary.BigEndian.PutUint16(body[2:], checksum(pseudo))
	return packet(from, to, 58, body)
}

// arp tells the same of IPv4 (RFC 826).
func arp(from, to netip.Addr, mac, toMAC net.HardwareAddr) []byte {
	return slices.Concat([]byte{0, 1, 8, 0, 6, 4, 0, 2}, mac, from.AsSlice(), toMAC, to.AsSlice())
}

// TestFramesThatAContainerMakesItself sends what a container's root can make with AF_PACKET, below the rules of its own namespace.
func TestFramesThatAContainerMakesItself(t *testing.T) {
	u := newUser(t)
	n := u.makes(netconf.Network{Name: "front", IPv6Enabled: true})
	allowed, other := u.on("allowed", n), u.on("other", n)
	held := u.held("held", egress.List{{Prefix: netip.PrefixFrom(v4(allowed.Endpoints[0]).Addr(), 32)}}, n)
	in := func(a *network.Attachment) func(func() error) error {
		return func(do func() error) error { return sys.InNetNS(a.NetNS, do) }
	}
	out := onWire(t, in(held), "eth0")
	atOther := onWire(t, in(other), "eth0")
	mac := func(a *network.Attachment) net.HardwareAddr {
		m, err := net.ParseMAC(a.Endpoints[0].MAC)
		must(t, err)
		return m
	}
	everybody := net.HardwareAddr{255, 255, 255, 255, 255, 255}
	own4, own6 := v4(held.Endpoints[0]).Addr(), v6(held.Endpoints[0]).Addr()
	other4, other6 := v4(other.Endpoints[0]).Addr(), v6(other.Endpoints[0]).Addr()
	gateway4, gateway6 := held.Endpoints[0].Gateway, held.Endpoints[0].Gateway6
	text := []byte(forged)
	const udp, gre = 17, 47
	for name, frame := range map[string][]byte{
		"no IP":                       ethernet(mac(other), mac(held), 0x88b5, text),
		"broadcast of no IP":          ethernet(everybody, mac(held), 0x88b5, text),
		"a VLAN":                      ethernet(mac(other), mac(held), 0x8100, slices.Concat([]byte{0, 5, 8, 0}, packet(own4, other4, udp, datagram(forged)))),
		"a VLAN in a VLAN":            ethernet(mac(other), mac(held), 0x88a8, slices.Concat([]byte{0, 5, 0x81, 0, 0, 5, 8, 0}, packet(own4, other4, udp, datagram(forged)))),
		"UDP":                         ethernet(mac(other), mac(held), 0x800, packet(own4, other4, udp, datagram(forged))),
		"another protocol":            ethernet(mac(other), mac(held), 0x800, packet(own4, other4, gre, text)),
		"another protocol of IPv6":    ethernet(mac(other), mac(held), 0x86dd, packet(own6, other6, gre, text)),
		"from a neighbour":            ethernet(mac(other), mac(held), 0x800, packet(v4(allowed.Endpoints[0]).Addr(), other4, udp, datagram(forged))),
		"from the gateway":            ethernet(mac(other), mac(held), 0x800, packet(gateway4, other4, udp, datagram(forged))),
		"with a neighbour's hardware": ethernet(mac(other), mac(allowed), 0x800, packet(own4, other4, udp, datagram(forged))),
		"all of a neighbour's":        ethernet(mac(other), mac(allowed), 0x800, packet(v4(allowed.Endpoints[0]).Addr(), other4, udp, datagram(forged))),
		"to everybody":                ethernet(everybody, mac(held), 0x800, packet(own4, netip.MustParseAddr("255.255.255.255"), udp, datagram(forged))),
		"to a group":                  ethernet(net.HardwareAddr{1, 0, 0x5e, 0, 0, 1}, mac(held), 0x800, packet(own4, netip.MustParseAddr("224.0.0.1"), udp, datagram(forged))),
		"to a group of IPv6":          ethernet(net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, mac(held), 0x86dd, packet(own6, netip.MustParseAddr("ff02::1"), udp, datagram(forged))),
		"by a neighbour to outside":   ethernet(mac(other), mac(held), 0x800, packet(own4, netip.MustParseAddr("192.0.2.1"), udp, datagram(forged))),
		"ARP with somebody's address": ethernet(everybody, mac(held), 0x806, append(arp(gateway4, other4, mac(held), mac(other)), text...)),
		"ARP with somebody's hardware": ethernet(everybody, mac(held), 0x806,
			append(arp(own4, other4, mac(allowed), mac(other)), text...)),
		"a neighbour's discovery": ethernet(mac(other), mac(held), 0x86dd, append(advertisement(own6, other6, gateway6, mac(held)), text...)),
		"the gateway's discovery": ethernet(mac(other), mac(held), 0x86dd, append(advertisement(gateway6, other6, gateway6, mac(held)), text...)),
		"a router's":              ethernet(mac(other), mac(held), 0x86dd, packet(own6, other6, 58, append([]byte{134, 0, 0, 0}, text...))),
		"discovery of afar":       ethernet(mac(other), mac(held), 0x86dd, append(advertisement(own6, netip.MustParseAddr("2001:db8::1"), own6, mac(held)), text...)),
	} {
		out.send(frame)
		// Whatever comes later does not overtake it.
		out.send(ethernet(everybody, mac(held), 0x806, append(arp(own4, other4, mac(held), mac(other)), last...)))
		if atOther.sees(forged, last) {
			t.Errorf("%s: a neighbour that is not listed got it", name)
		}
	}
	// A neighbour's frames would be passed on: the test sees them.
	free := onWire(t, in(allowed), "eth0")
	out.send(ethernet(net.HardwareAddr{1, 0x80, 0xc2, 0, 0, 0xe}, mac(other), 0x88cc, []byte("the bridge is to learn")))
	free.send(ethernet(mac(other), mac(allowed), 0x88b5, text))
	free.send(ethernet(everybody, mac(allowed), 0x88b5, []byte(last)))
	if !atOther.sees(forged, last) {
		t.Error("nothing was seen at all")
	}
}

func TestRulesGoWithTheirContainer(t *testing.T) {
	u := newUser(t)
	n := u.makes(netconf.Network{Name: "front"})
	other := u.on("other", n)
	// The address of a container that was held and is gone is the next one's, who is free.
	r := u.request("first")
	r.Connections = []network.Connection{{Network: n, Egress: []egress.List{{}}}}
	a, err := u.try(r)
	must(t, err)
	refused(t, a, "tcp", netip.AddrPortFrom(v4(other.Endpoints[0]).Addr(), 7000).String())
	endpoint := a.Endpoints[0]
	a.Close()
	r = u.request("first")
	r.Connections = []network.Connection{{Network: n, Last: &endpoint}}
	next := u.attachWith(r)
	if next.Endpoints[0].Address != endpoint.Address {
		t.Fatalf("it has %s, not %s", next.Endpoints[0].Address, endpoint.Address)
	}
	answered(t, next, serve(t, other, v4(other.Endpoints[0]).Addr()))
	// Many lives leave no rules but the last one's.
	for range 5 {
		r.Connections = []network.Connection{{Network: n, Egress: []egress.List{{{Name: "example.com"}}}}}
		a, err := u.try(r)
		must(t, err)
		if r.UserNetNS != "" {
			if chains := chainsOf(t, r.UserNetNS, "first."); len(chains) != 2 {
				t.Errorf("its life has the chains %q", chains)
			}
		}
		a.Close()
	}
}

// chainsOf are the chains with this in their names, of what is routed in a namespace.
func chainsOf(t *testing.T, netns, part string) (names []string) {
	t.Helper()
	f, err := os.Open(netns)
	must(t, err)
	defer f.Close()
	must(t, sys.InNetNS(f, func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
		for _, c := range chains {
			if strings.Contains(c.Name, part) {
				names = append(names, c.Name)
			}
		}
		return err
	}))
	return names
}
