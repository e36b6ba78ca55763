package egress

import (
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// frames makes the chain for what comes out of a cable: everything is routed but ARP and neighbour discovery, and has the
// container's addresses.
func (h *held) frames() (*nftables.Chain, error) {
	chain := h.AddChain(h.chain(h.tables.frames, fromKind))
	neighbours := h.AddChain(h.chain(h.tables.frames, neighboursKind))
	h.neighbours(neighbours)
	drop, accept := verdict(expr.VerdictDrop), verdict(expr.VerdictAccept)
	h.add(chain, drop, isNot(link, etherSource, h.MAC...))
	if h.Address.IsValid() {
		ethernetAndIP := []byte{0, 1, kindIP >> 8, kindIP & 0xff, macLength, ip4Length}
		h.add(chain, accept, kind(kindARP), is(network, 0, ethernetAndIP...),
			is(network, arpHardware, h.MAC...), is(network, arpSender, h.Address.Addr().AsSlice()...))
	}
	h.add(chain, jump(neighbours), discovery())
	h.add(chain, drop, []expr.Any{
		&expr.Payload{DestRegister: reg, Base: link, Offset: etherTarget, Len: 1},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 1, Mask: []byte{group}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: []byte{0}},
	})
	for _, p := range []netip.Prefix{h.Address, h.Address6} {
		if !p.IsValid() {
			continue
		}
		own := append(kindOf(p.Addr()), is(network, source(p.Addr()), p.Addr().AsSlice()...)...)
		offset, _ := target(p.Addr().Is6())
		mark := uint32(h.Index)
		h.add(chain, accept, own, within(expr.CmpOpEq, offset, p), upward(mark|toNeighbour, h.BridgeMAC))
		h.add(chain, accept, own, upward(mark, h.BridgeMAC))
	}
	h.add(chain, drop)
	return chain, nil
}

// discovery matches neighbour discovery: who has an address, and I have it. What comes from afar, or has headers between, is none.
func discovery() []expr.Any {
	list := append(kind(kindIP6), is(network, ip6Next, icmpV6, wholeHops)...)
	return append(list,
		&expr.Payload{DestRegister: reg, Base: network, Offset: icmp6Kind, Len: 1},
		&expr.Range{Op: expr.CmpOpEq, Register: reg, FromData: []byte{neighbourAsked}, ToData: []byte{neighbourTold}})
}

// neighbours lets a container ask for others on its link and tell of itself, and nothing else.
func (h *held) neighbours(chain *nftables.Chain) {
	drop := verdict(expr.VerdictDrop)
	if !h.Address6.IsValid() {
		h.add(chain, drop)
		return
	}
	own, local := h.Address6.Addr().AsSlice(), linkLocal(h.MAC).AsSlice()
	none := netip.IPv6Unspecified().AsSlice() // who asks whether his address is free
	h.add(chain, drop, isNot(network, ip6Source, own...), isNot(network, ip6Source, local...), isNot(network, ip6Source, none...))
	h.add(chain, drop,
		within(expr.CmpOpNeq, ip6Target, netip.MustParsePrefix("ff02::1:ff00:0/104")), // who may have it
		within(expr.CmpOpNeq, ip6Target, netip.MustParsePrefix("ff02::1/128")),        // everybody
		within(expr.CmpOpNeq, ip6Target, netip.MustParsePrefix("fe80::/10")),
		within(expr.CmpOpNeq, ip6Target, h.Address6))
	h.add(chain, drop, is(network, icmp6Kind, neighbourTold), isNot(network, icmp6Neighbour, own...), isNot(network, icmp6Neighbour, local...))
	h.add(chain, verdict(expr.VerdictAccept))
}

// delivery makes the chain for frames to the container, from neighbours: what is for its address is routed, so that answers are
// known to be some.
func (h *held) delivery() *nftables.Chain {
	chain := h.AddChain(h.chain(h.tables.frames, toKind))
	accept := verdict(expr.VerdictAccept)
	h.add(chain, accept, discovery())
	for _, p := range []netip.Prefix{h.Address, h.Address6} {
		if p.IsValid() {
			offset, _ := target(p.Addr().Is6())
			h.add(chain, accept, kindOf(p.Addr()), is(network, offset, p.Addr().AsSlice()...), upward(toNeighbour, h.BridgeMAC))
		}
	}
	return chain
}

func kindOf(a netip.Addr) []expr.Any {
	if a.Is4() {
		return kind(kindIP)
	}
	return kind(kindIP6)
}

// source is where the sender's address is in a packet of the address's family.
func source(a netip.Addr) uint32 {
	if a.Is4() {
		return ip4Source
	}
	return ip6Source
}
