package netconf

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Pool is a range of IPv4 addresses that is divided into subnets.
type Pool struct {
	Base netip.Prefix
	Bits int // how long the prefix of a subnet is
}

// size is how many subnets there are.
func (p Pool) size() uint32 { return 1 << (p.Bits - p.Base.Bits()) }

// subnet is one of them.
func (p Pool) subnet(i uint32) netip.Prefix {
	b := p.Base.Masked().Addr().As4()
	first := binary.BigEndian.Uint32(b[:]) + i<<(p.Base.Addr().BitLen()-p.Bits)
	binary.BigEndian.PutUint32(b[:], first)
	return netip.PrefixFrom(netip.AddrFrom4(b), p.Bits)
}

// podmanPools are Podman's: those of 10.89.0.0/16 first, then the rest of 10.0.0.0/8 above it.
func podmanPools() []Pool {
	pool := func(second byte, bits int) Pool {
		const subnetBits = 24
		return Pool{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second}), bits), subnetBits}
	}
	return []Pool{pool(89, 16), pool(90, 15), pool(92, 14), pool(96, 11), pool(128, 9)}
}

// allocate gives the network the subnets that its description leaves open, free of those taken.
func (s *Store) allocate(n *Network, ipv4 bool, taken []netip.Prefix) error {
	if n.IPAMOptions["driver"] == IPAMNone {
		return nil
	}
	if _, has := n.Subnet4(); ipv4 && !has {
		if _, only6 := n.Subnet6(); !only6 || n.IPv6Enabled {
			p, ok := s.free4(taken)
			if !ok {
				return errdefs.Errorf(errdefs.ErrConflict, "cannot find a free subnet for network %q: all are in use; give one with --subnet", n.Name)
			}
			n.Subnets = append(n.Subnets, Subnet{Subnet: p, Gateway: p.Addr().Next()})
		}
	}
	if _, has := n.Subnet6(); n.IPv6Enabled && !has {
		p := random6()
		n.Subnets = append(n.Subnets, Subnet{Subnet: p, Gateway: p.Addr().Next()})
	}
	return nil
}

// free4 is the first subnet of the pools that nobody has. In the first pool it is looked for from one on that the store's place says, so
// that two stores that do not know of each other hardly choose the same.
func (s *Store) free4(taken []netip.Prefix) (netip.Prefix, bool) {
	pools := s.Pools
	if len(pools) == 0 {
		pools = podmanPools()
	}
	hash := fnv.New32a()
	hash.Write([]byte(s.Dir))
	start := hash.Sum32()
	for _, pool := range pools {
		for i := range pool.size() {
			p := pool.subnet((start + i) % pool.size())
			if _, clash := Overlap(p, taken); !clash {
				return p, true
			}
		}
		start = 0
	}
	return netip.Prefix{}, false
}

// random6 is a subnet that nobody else has: a unique local one with a random global id (RFC 4193).
func random6() netip.Prefix {
	var b [16]byte
	_, _ = rand.Read(b[1:8]) // never fails (crypto/rand)
	b[0] = 0xfd
	return netip.PrefixFrom(netip.AddrFrom16(b), 64)
}

// Overlap is the first of those taken that has addresses of p.
func Overlap(p netip.Prefix, taken []netip.Prefix) (netip.Prefix, bool) {
	for _, t := range taken {
		if t.Overlaps(p) {
			return t, true
		}
	}
	return netip.Prefix{}, false
}

// HostRoutes are the subnets that this machine has routes to, but for the default route.
func HostRoutes() ([]netip.Prefix, error) {
	routes4, err4 := routes("/proc/net/route", 8, func(f []string) (netip.Prefix, error) { return route4(f[1], f[7]) })
	routes6, err6 := routes("/proc/net/ipv6_route", 10, func(f []string) (netip.Prefix, error) { return route6(f[0], f[1]) })
	return append(routes4, routes6...), errors.Join(err4, err6)
}

// routes reads a file of the kernel's, whose lines have at least so many fields; a machine without IPv6 does not have both.
func routes(path string, fields int, parse func([]string) (netip.Prefix, error)) ([]netip.Prefix, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var found []netip.Prefix
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < fields {
			continue
		}
		if p, err := parse(words); err == nil && p.Bits() > 0 { // the first line has the fields' names
			found = append(found, p)
		}
	}
	return found, lines.Err()
}

// route4 reads an address and a mask, 32 bits in the machine's order.
func route4(addr, mask string) (netip.Prefix, error) {
	a, err1 := strconv.ParseUint(addr, 16, 32)
	m, err2 := strconv.ParseUint(mask, 16, 32)
	if err := errors.Join(err1, err2); err != nil {
		return netip.Prefix{}, err
	}
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], uint32(a))
	bits := 0
	for ; m != 0; m &= m - 1 {
		bits++
	}
	return netip.PrefixFrom(netip.AddrFrom4(b), bits).Masked(), nil
}

// route6 reads an address and a length, which are hexadecimal.
func route6(addr, length string) (netip.Prefix, error) {
	b, err1 := hex.DecodeString(addr)
	bits, err2 := strconv.ParseUint(length, 16, 8)
	if err := errors.Join(err1, err2); err != nil {
		return netip.Prefix{}, err
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.Prefix{}, errors.New("not an address")
	}
	return netip.PrefixFrom(a, int(bits)).Masked(), nil
}
