package network

import (
	"syscall"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/mosscontainers/moss/network/egress"
	"github.com/mosscontainers/moss/network/netconf"
)

const uplinkName = "tap0"

// The chains of the table.
const (
	natChain     = "postrouting"
	forwardChain = "forward"
	inputChain   = "input"
)

// The sets of bridges that are kept from others.
const (
	internalSet = "internal" // from everything
	isolatedSet = "isolated" // from the other isolated ones
	strictSet   = "strict"   // from all other networks
)

// What a refused packet is answered with, in the kernel's words for both IPv4 and IPv6 (nf_tables.h: NFT_REJECT_ICMPX_UNREACH,
// NFT_REJECT_ICMPX_ADMIN_PROHIBITED).
const (
	rejectUnreachable = 2
	rejectProhibited  = 3
)

// rules are those of the user's namespace.
type rules struct {
	*nftables.Conn
	table *nftables.Table
}

func openRules() (*rules, error) {
	c, err := nftables.New()
	return &rules{c, &nftables.Table{Name: "moss", Family: nftables.TableFamilyINet}}, err
}

// translate installs the rules of the user's namespace, which the calling thread is in: what leaves through
// the uplink carries the uplink's address, and networks that are to be kept apart are.
func translate() error {
	r, err := openRules()
	if err != nil {
		return err
	}
	r.AddTable(r.table) // so that deleting it cannot fail
	r.DelTable(r.table)
	r.AddTable(r.table)
	for _, name := range []string{internalSet, isolatedSet, strictSet} {
		if err := r.AddSet(r.set(name), nil); err != nil {
			return err
		}
	}
	nat := r.AddChain(&nftables.Chain{
		Name: natChain, Table: r.table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	})
	r.add(nat, &expr.Masq{}, linkIs(expr.MetaKeyOIFNAME, expr.CmpOpEq, uplinkName))
	forward := r.AddChain(&nftables.Chain{
		Name: forwardChain, Table: r.table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
	})
	in, out := expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME
	// Refused at once: nobody has to wait for an answer that never comes.
	refuse := &expr.Reject{Type: rejectUnreachable, Code: rejectProhibited}
	r.add(forward, &expr.Verdict{Kind: expr.VerdictAccept}, egress.ToNeighbour())
	r.add(forward, refuse, linkAmong(in, internalSet))
	r.add(forward, refuse, linkAmong(out, internalSet))
	r.add(forward, refuse, linkAmong(in, isolatedSet), linkAmong(out, isolatedSet))
	r.add(forward, refuse, linkAmong(in, strictSet), linkIs(out, expr.CmpOpNeq, uplinkName))
	r.add(forward, refuse, linkAmong(out, strictSet), linkIs(in, expr.CmpOpNeq, uplinkName))
	input := r.AddChain(&nftables.Chain{
		Name: inputChain, Table: r.table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
	})
	r.add(input, &expr.Verdict{Kind: expr.VerdictDrop}, linkIs(in, expr.CmpOpEq, uplinkName), withoutFlags())
	return r.Flush()
}

func (r *rules) add(chain *nftables.Chain, then expr.Any, when ...[]expr.Any) {
	var list []expr.Any
	for _, w := range when {
		list = append(list, w...)
	}
	r.AddRule(&nftables.Rule{Table: r.table, Chain: chain, Exprs: append(list, then)})
}

func (r *rules) set(name string) *nftables.Set {
	return &nftables.Set{Table: r.table, Name: name, KeyType: nftables.TypeIFName}
}

// apart says to which sets a network's bridge belongs. It is the bridge's group (IFLA_GROUP), too, so that whoever has to make the sets anew need not know whose
// bridge it is: stores of one user share a namespace.
type apart uint32

const (
	apartInternal apart = 1 << iota
	apartIsolated
	apartStrict
)

func apartOf(n *netconf.Network) (a apart) {
	if n.Internal {
		a |= apartInternal
	}
	isolation := n.Isolation()
	if isolation >= netconf.Isolated {
		a |= apartIsolated
	}
	if isolation == netconf.Strict {
		a |= apartStrict
	}
	return a
}

// keepApart puts a bridge into the sets that it belongs to, and takes it out of the others.
func keepApart(bridge string, a apart) error {
	return sort(bridge, map[string]bool{internalSet: a&apartInternal != 0, isolatedSet: a&apartIsolated != 0, strictSet: a&apartStrict != 0})
}

// sort says of each set whether a bridge is in it.
func sort(bridge string, in map[string]bool) error {
	r, err := openRules()
	if err != nil {
		return err
	}
	key := []nftables.SetElement{{Key: padded(bridge)}}
	for name, is := range in {
		if err := r.SetAddElements(r.set(name), key); err != nil { // so that deleting it cannot fail
			return err
		}
		if is {
			continue
		}
		if err := r.SetDeleteElements(r.set(name), key); err != nil {
			return err
		}
	}
	return r.Flush()
}

// withoutFlags matches what no TCP sends (RFC 9293, 3.10.7.4: without an acknowledgment it is dropped), but pasta does, that of Debian 12, to tell of its window. Such a
// segment is of no connection that is tracked, so it is not translated back, and this namespace would answer it with a reset.
func withoutFlags() []expr.Any {
	const flags, finSynRstAck = 13, 0x17
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{syscall.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: flags, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{finSynRstAck}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{0}},
	}
}

// linkIs matches packets by the name of their interface in the direction key.
func linkIs(key expr.MetaKey, op expr.CmpOp, name string) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: op, Register: 1, Data: padded(name)},
	}
}

// linkAmong matches packets whose interface in the direction key is in a set.
func linkAmong(key expr.MetaKey, set string) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Lookup{SourceRegister: 1, SetName: set},
	}
}

// padded is an interface's name as the kernel compares it.
func padded(name string) []byte {
	const ifnamsiz = 16
	b := make([]byte, ifnamsiz)
	copy(b, name)
	return b
}
