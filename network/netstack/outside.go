package netstack

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/mosscontainers/moss/network/uplink"
)

// dialTimeout bounds the wait for a server that answers nothing. The one in the namespace mostly gives up before.
const dialTimeout = 75 * time.Second

// outside is the host's side: it says where an address of the namespace's leads, and connects.
type outside struct {
	families     []uplink.Addresses
	hostLoopback bool
	source4      netip.Addr // not valid: the kernel's choice
	source6      netip.Addr
	resolver     resolver
}

func newOutside(o Options) *outside {
	out := &outside{families: []uplink.Addresses{o.IPv4}, hostLoopback: o.HostLoopback}
	if o.IPv6.Own.IsValid() {
		out.families = append(out.families, o.IPv6)
	}
	for _, from := range o.From {
		if from.Is4() {
			out.source4 = from
		} else {
			out.source6 = from
		}
	}
	return out
}

// target is where an address of the namespace's leads; not valid when it leads nowhere. The host's own loopback, by whatever name, is
// the user's and not the namespace's.
func (o *outside) target(to netip.AddrPort) netip.AddrPort {
	addr := to.Addr()
	for _, a := range o.families {
		switch {
		case addr == a.DNS && to.Port() == dnsPort:
			return o.resolver.server()
		case addr == a.Gateway && o.hostLoopback && addr.Is4():
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), to.Port())
		case addr == a.Gateway && o.hostLoopback:
			return netip.AddrPortFrom(netip.IPv6Loopback(), to.Port())
		case a.Own.Contains(addr):
			return netip.AddrPort{}
		}
	}
	// A IPv4 address in an IPv6 one goes by IPv4: what it is must be looked at as such.
	plain := addr.Unmap()
	if !plain.IsValid() || plain.IsLoopback() || plain.IsUnspecified() || plain.IsMulticast() || addr.Is4In6() ||
		(plain.Is4() && (plain.As4()[0] == 0 || plain.As4()[0] >= 240)) || (plain.Is6() && plain.IsLinkLocalUnicast()) {
		return netip.AddrPort{}
	}
	return to
}

// isOurs says whether an address is the stack's.
func (o *outside) isOurs(addr netip.Addr) bool {
	return slices.ContainsFunc(o.families, func(a uplink.Addresses) bool { return addr == a.Gateway || addr == a.DNS })
}

// dial connects. proto is tcp or udp.
func (o *outside) dial(proto string, to netip.AddrPort) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1} // whoever speaks with the server decides
	from := o.source4
	if to.Addr().Is6() {
		from = o.source6
	}
	if from.IsValid() && !to.Addr().IsLoopback() {
		at := netip.AddrPortFrom(from, 0)
		dialer.LocalAddr = net.TCPAddrFromAddrPort(at)
		if proto == "udp" {
			dialer.LocalAddr = net.UDPAddrFromAddrPort(at)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	return dialer.DialContext(ctx, proto, to.String())
}

const (
	dnsPort    = 53
	resolvConf = "/etc/resolv.conf"
)

// resolver knows the host's name server. It looks again whenever resolv.conf has changed, as it does with networks and VPNs.
type resolver struct {
	mu    sync.Mutex
	read  os.FileInfo // when it was read last
	first netip.AddrPort
}

func (r *resolver) server() netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	info, err := os.Stat(resolvConf)
	if err != nil {
		return netip.AddrPort{}
	}
	if r.read == nil || !os.SameFile(r.read, info) || !r.read.ModTime().Equal(info.ModTime()) || r.read.Size() != info.Size() {
		data, _ := os.ReadFile(resolvConf)
		r.read, r.first = info, firstServer(data)
	}
	return r.first
}

// firstServer is the first name server of a resolv.conf(5); without any it is this machine, as there.
func firstServer(data []byte) netip.AddrPort {
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(fields[1]); err == nil {
			return netip.AddrPortFrom(addr, dnsPort)
		}
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort)
}

// address and fromAddress translate between the stack's addresses and Go's.
func address(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

func fromAddress(a tcpip.Address, port uint16) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return netip.AddrPortFrom(addr, port)
}
