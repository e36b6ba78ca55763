// Package uplink says what connects a network namespace with the outside without any privilege: a program with a
// TCP/IP stack of its own, which receives what the namespace sends and opens ordinary sockets for it. There are several such
// programs; all of them give a namespace the same addresses, so that one can take the place of another.
package uplink

import (
	"context"
	"net"
	"net/netip"
	"os"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Uplink is one of these programs.
type Uplink interface {
	// Name is how users call it.
	Name() string
	// Find says where the program is, or why it cannot be used here (ErrUnavailable). A program that moss carries has no path.
	Find() (path string, err error)
	// Sound says whether the version that Find finds is free of faults for which another program is taken where one is there.
	Sound() bool
	// Start starts the program and returns when its interface is configured. The process outlives this one and ends with Options.Exit.
	// An error is one sentence of what the program said.
	Start(ctx context.Context, o Options) (*Link, error)
}

// Options say what is connected, how, and for how long.
type Options struct {
	NetNS     *os.File // the namespace to connect
	Exit      *os.File // reading end of a pipe: the process ends when no writer is left
	Log       *os.File // for its messages, opened for reading and writing
	Interface string   // the name of its interface in NetNS
	MTU       int      // of that interface; 0 is MTU
	Subnet    netip.Prefix
	IPv6      bool // serve IPv6 too, where the host has it
	// HostLoopback makes the gateway's address lead to the host's 127.0.0.1.
	HostLoopback bool
	// Outbound4 and Outbound6 are the host's addresses, or the names of its interfaces, that connections come from.
	Outbound4, Outbound6 string
	// HostAddresses gives the namespace the addresses, and the name of the interface, of the host (pasta only).
	HostAddresses bool
	// Arguments are more of them, for the program itself.
	Arguments []string
}

// Link is a namespace's connection: who serves it and what it may expect.
type Link struct {
	Uplink  string      `json:"uplink"` // its name
	Process sys.Process `json:"process"`
	// NetNS is a path by which others find the namespace for as long as the process lives.
	NetNS     string    `json:"netns"`
	Interface string    `json:"interface"`
	MTU       int       `json:"mtu"`
	IPv4      Addresses `json:"ipv4"`
	IPv6      Addresses `json:"ipv6,omitzero"` // zero without IPv6
	// Host is where the namespace finds the host, when that is not at its addresses.
	Host netip.Addr `json:"host,omitzero"`
}

// Addresses are those of one family.
type Addresses struct {
	Own     netip.Prefix `json:"own"` // of the interface
	Gateway netip.Addr   `json:"gateway"`
	// DNS answers names, asking whom the host asks.
	DNS netip.Addr `json:"dns"`
}

// MTU is what the interface takes at most: 16 bits of length, of which Ethernet's header takes 14 bytes, rounded down to
// whole words. Every packet costs the same work, however long it is.
const MTU = 65520

// Places of the addresses in a subnet, as slirp4netns has them.
const (
	gatewayHost = 2
	dnsHost     = 3
	ownHost     = 100
)

// Subnet is the IPv4 network of an uplink unless another is asked for, Subnet6 the only IPv6 network.
var (
	Subnet  = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 2, 0}), 24)
	Subnet6 = netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd}), 64)
)

// In are the addresses in a subnet, which has room for 100 hosts.
func In(subnet netip.Prefix) Addresses {
	at := func(host byte) netip.Addr {
		raw := subnet.Masked().Addr().AsSlice()
		raw[len(raw)-1] += host
		addr, _ := netip.AddrFromSlice(raw)
		return addr
	}
	return Addresses{Own: netip.PrefixFrom(at(ownHost), subnet.Bits()), Gateway: at(gatewayHost), DNS: at(dnsHost)}
}

// Plan completes the options and is the link that they ask for, but for its process.
func (o *Options) Plan(name string) *Link {
	if o.MTU == 0 {
		o.MTU = MTU
	}
	if !o.Subnet.IsValid() {
		o.Subnet = Subnet
	}
	o.IPv6 = o.IPv6 && HostIPv6()
	link := &Link{Uplink: name, Interface: o.Interface, MTU: o.MTU, IPv4: In(o.Subnet)}
	if o.IPv6 {
		link.IPv6 = In(Subnet6)
	}
	return link
}

// HostIPv6 says whether the host reaches the outside by IPv6: whether it has a route there, from an address that is
// good for more than the own wire. It asks the calling thread's namespace.
func HostIPv6() bool {
	// Connecting a UDP socket sends nothing: it asks the kernel for a route and its source address. A made-up address of the
	// global range, 2000::/3, and not of documentation's, which some hosts refuse to route.
	conn, err := net.Dial("udp6", "[2600::]:9")
	if err != nil {
		return false
	}
	defer conn.Close()
	from := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	return !from.IsLinkLocalUnicast() && !from.IsLoopback()
}
