package egress

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
)

// What packets look like, in bytes.
const (
	etherTarget, etherSource, etherKind = 0, 6, 12 // IEEE 802.3
	macLength                           = 6

	arpHardware, arpSender = 8, 14 // RFC 826, for Ethernet and IPv4

	ip4Source, ip4Target, ip4Length  = 12, 16, 4            // RFC 791
	ip6Next, ip6Hops                 = 6, 7                 // RFC 8200
	ip6Source, ip6Target, ip6Length  = 8, 24, 16            //
	icmp6Kind, icmp6Neighbour        = 40, 48               // after a header without extensions; RFC 4861, 4.3
	protocolTCP, protocolUDP, icmpV6 = 6, 17, 58            // IANA
	neighbourAsked, neighbourTold    = 135, 136             // RFC 4861
	kindIP, kindARP, kindIP6         = 0x800, 0x806, 0x86dd // IEEE 802
	familyIP, familyIP6              = 2, 10                // NFPROTO_IPV4, NFPROTO_IPV6
	wholeHops                        = 255                  // of what no router has passed on
	portTarget                       = 2                    // RFC 768, RFC 9293
	portDNS                          = 53
)

// group is the bit of a hardware address that is for many.
const group = 1

// reg is the register that all expressions use: the next one overwrites it.
const reg = 1

// is matches bytes of a packet.
func is(base expr.PayloadBase, offset uint32, want ...byte) []expr.Any {
	return compare(expr.CmpOpEq, base, offset, want)
}

// isNot matches what is does not.
func isNot(base expr.PayloadBase, offset uint32, want ...byte) []expr.Any {
	return compare(expr.CmpOpNeq, base, offset, want)
}

func compare(op expr.CmpOp, base expr.PayloadBase, offset uint32, want []byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: reg, Base: base, Offset: offset, Len: uint32(len(want))},
		&expr.Cmp{Op: op, Register: reg, Data: want},
	}
}

// The layers of a packet.
const (
	link      = expr.PayloadBaseLLHeader
	network   = expr.PayloadBaseNetworkHeader
	transport = expr.PayloadBaseTransportHeader
)

// kind matches frames by what they carry. What has a VLAN's tag carries that.
func kind(k uint16) []expr.Any { return is(link, etherKind, binary.BigEndian.AppendUint16(nil, k)...) }

// within matches addresses of a prefix, at an offset of the network's header.
func within(op expr.CmpOp, offset uint32, p netip.Prefix) []expr.Any {
	length := uint32(p.Addr().BitLen() / 8)
	return []expr.Any{
		&expr.Payload{DestRegister: reg, Base: network, Offset: offset, Len: length},
		&expr.Bitwise{
			SourceRegister: reg, DestRegister: reg, Len: length,
			Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()), Xor: make([]byte, length),
		},
		&expr.Cmp{Op: op, Register: reg, Data: p.Masked().Addr().AsSlice()},
	}
}

// meta matches one byte of what the kernel knows of a packet.
func meta(key expr.MetaKey, want byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: key, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{want}},
	}
}

// family matches packets of the family of an address.
func family(a netip.Addr) []expr.Any {
	if a.Is4() {
		return meta(expr.MetaKeyNFPROTO, familyIP)
	}
	return meta(expr.MetaKeyNFPROTO, familyIP6)
}

// target is where the address is in a packet of its family to whom it goes.
func target(v6 bool) (offset, length uint32) {
	if v6 {
		return ip6Target, ip6Length
	}
	return ip4Target, ip4Length
}

// ports matches a protocol's packets to ports.
func ports(protocol byte, first, last uint16) []expr.Any {
	return append(meta(expr.MetaKeyL4PROTO, protocol),
		&expr.Payload{DestRegister: reg, Base: transport, Offset: portTarget, Len: 2},
		&expr.Range{
			Op: expr.CmpOpEq, Register: reg,
			FromData: binary.BigEndian.AppendUint16(nil, first), ToData: binary.BigEndian.AppendUint16(nil, last),
		})
}

// among matches packets whose target is in a set.
func among(v6 bool, set *nftables.Set) []expr.Any {
	offset, length := target(v6)
	return []expr.Any{
		&expr.Payload{DestRegister: reg, Base: network, Offset: offset, Len: length},
		&expr.Lookup{SourceRegister: reg, SetName: set.Name, SetID: set.ID},
	}
}

// word is a number as the kernel has it in registers.
func word(n uint32) []byte { return binaryutil.NativeEndian.PutUint32(n) }

// marked loads a packet's mark, as far as the bits go.
func marked(bits uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: reg},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 4, Mask: word(bits), Xor: word(0)},
	}
}

// upward marks a frame and sends it to the bridge itself, so that it is routed.
func upward(mark uint32, bridge net.HardwareAddr) []expr.Any {
	const toHost = 0 // PACKET_HOST
	return []expr.Any{
		&expr.Immediate{Register: reg, Data: word(mark)},
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: reg},
		&expr.Immediate{Register: reg, Data: []byte{toHost}},
		&expr.Meta{Key: expr.MetaKeyPKTTYPE, SourceRegister: true, Register: reg},
		&expr.Immediate{Register: reg, Data: bridge},
		&expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: reg, Base: link, Offset: etherTarget, Len: macLength},
	}
}

// judge is what one of a map's elements says, by the register.
func judge(byKey *nftables.Set) expr.Any {
	return &expr.Lookup{SourceRegister: reg, IsDestRegSet: true, SetName: byKey.Name, SetID: byKey.ID}
}

func verdict(k expr.VerdictKind) expr.Any { return &expr.Verdict{Kind: k} }

func jump(chain *nftables.Chain) expr.Any {
	return &expr.Verdict{Kind: expr.VerdictJump, Chain: chain.Name}
}

// known matches packets of connections that somebody was allowed to begin, and errors about them.
func known() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: reg},
		&expr.Bitwise{
			SourceRegister: reg, DestRegister: reg, Len: 4,
			Mask: word(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED), Xor: word(0),
		},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: word(0)},
	}
}

// The kernel's words for how a packet is refused (nf_tables.h).
const (
	refuseByError, prohibited = 2, 3 // NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED
	refuseByReset             = 1    // NFT_REJECT_TCP_RST
)
