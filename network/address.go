package network

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
)

// addresses is how many containers fit: 10.88.0.0/16 without the network's address, the bridge's and the
// broadcast address.
const addresses = 1<<16 - 3

// candidate is the address that a container tries at its try-th try, from 0 to addresses-1: each once.
func candidate(id string, try int) netip.Addr {
	hash := fnv.New32a()
	hash.Write([]byte(id))
	host := (uint64(hash.Sum32())+uint64(try))%addresses + 2
	net4 := gateway.Masked().Addr().As4()
	binary.BigEndian.PutUint16(net4[2:], uint16(host))
	return netip.AddrFrom4(net4)
}

// vethName is the name of the bridge's end of the cable that leads to addr: at most 15 bytes.
func vethName(addr netip.Addr) string { return fmt.Sprintf("veth%x", addr.As4()) }

// macOf is a locally administered hardware address made from an IPv4 address: whoever gets an address again
// gets the hardware address that the neighbours remember.
func macOf(addr netip.Addr) net.HardwareAddr {
	b := addr.As4()
	return net.HardwareAddr{0x02, 0x6d, b[0], b[1], b[2], b[3]}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
