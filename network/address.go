package network

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"

	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/spec"
)

// pool are the addresses of a subnet that containers get who ask for none, but for the gateway's.
type pool struct {
	subnet      netconf.Subnet
	first, last uint64 // the last 64 bits of addresses, or all 32
}

func newPool(s netconf.Subnet) pool {
	p := pool{subnet: s, first: low(s.Subnet.Addr()) + 1, last: low(netconf.Last(s.Subnet))}
	if s.Subnet.Addr().Is4() {
		p.last-- // the address of all machines
	}
	if r := s.LeaseRange; r != nil {
		if r.StartIP.IsValid() {
			p.first = max(p.first, low(r.StartIP))
		}
		if r.EndIP.IsValid() {
			p.last = min(p.last, low(r.EndIP))
		}
	}
	return p
}

// poolName is how a person knows those addresses.
func poolName(s netconf.Subnet) string {
	if r := s.LeaseRange; r != nil {
		return fmt.Sprintf("%s to %s", r.StartIP, r.EndIP)
	}
	return s.Subnet.String()
}

// tries is how many addresses there are to try, of which one may be the gateway's. Nobody has a bridge with more ports.
func (p pool) tries() int {
	if p.last < p.first {
		return 0
	}
	return int(min(p.last-p.first, 1<<16-1)) + 1
}

// candidate is the address that a container tries at its try-th try, each once. It depends on the container's id, so that a container
// mostly gets its old one again. ok is false for one that is nobody's.
func (p pool) candidate(id string, try int) (addr netip.Addr, ok bool) {
	hash := fnv.New32a()
	hash.Write([]byte(id))
	size := p.last - p.first + 1 // 0 is all 64 bits
	n := uint64(hash.Sum32()) + uint64(try)
	if size != 0 {
		n %= size
	}
	addr = withLow(p.subnet.Subnet.Addr(), p.first+n)
	return addr, addr != p.subnet.Gateway
}

func low(a netip.Addr) uint64 {
	if a.Is4() {
		b := a.As4()
		return uint64(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	return binary.BigEndian.Uint64(b[8:])
}

func withLow(a netip.Addr, n uint64) netip.Addr {
	if a.Is4() {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(n))
		return netip.AddrFrom4(b)
	}
	b := a.As16()
	binary.BigEndian.PutUint64(b[8:], n)
	return netip.AddrFrom16(b)
}

// vethName is the name of the bridge's end of the cable that leads to addr, an IPv4 address: at most 15 bytes.
func vethName(addr netip.Addr) string { return fmt.Sprintf("veth%x", addr.As4()) }

// claimName6 is the second name of the bridge's end of the cable that leads to addr, an IPv6 address.
func claimName6(addr netip.Addr) string { return fmt.Sprintf("veth-%x", addr.As16()) }

// cableName is the name of the bridge's end of a container's cable.
func cableName(id, bridge string, at *spec.Endpoint) string {
	if at.Address.IsValid() {
		return vethName(at.Address.Addr())
	}
	return bareName(id, bridge)
}

// bareName is the name of the bridge's end of a container's cable that leads to no IPv4 address.
func bareName(id, bridge string) string {
	hash := fnv.New64a()
	hash.Write([]byte(id + "\x00" + bridge))
	return fmt.Sprintf("vethx%09x", hash.Sum64()>>28)
}

// macOf is a locally administered hardware address made from an IPv4 address: whoever gets an address again
// gets the hardware address that the neighbours remember.
func macOf(addr netip.Addr) net.HardwareAddr {
	b := addr.As4()
	return net.HardwareAddr{0x02, 0x6d, b[0], b[1], b[2], b[3]}
}

// bareMAC is a locally administered hardware address for what has no IPv4 address.
func bareMAC(name string) net.HardwareAddr {
	hash := fnv.New32a()
	hash.Write([]byte(name))
	return binary.BigEndian.AppendUint32(net.HardwareAddr{0x02, 0x6e}, hash.Sum32())
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
