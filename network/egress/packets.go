package egress

import (
	"net/netip"
	"strconv"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// packets makes the chain for what is routed: answers, questions to the DNS server, and what all lists allow.
func (h *held) packets() (*nftables.Chain, error) {
	chain := h.AddChain(h.chain(h.tables.packets, heldKind))
	accept := verdict(expr.VerdictAccept)
	h.add(chain, accept, known())
	for _, g := range h.Gateways {
		offset, _ := target(g.Is6())
		for _, protocol := range []byte{protocolUDP, protocolTCP} {
			h.add(chain, accept, family(g), is(network, offset, g.AsSlice()...), ports(protocol, portDNS, portDNS))
		}
	}
	for i, list := range h.Lists {
		listed, err := h.list(i, list)
		if err != nil {
			return nil, err
		}
		h.add(chain, jump(listed))
	}
	h.add(chain, accept)
	return chain, nil
}

// list makes a chain that returns what a list allows, and refuses the rest.
func (h *held) list(n int, list List) (*nftables.Chain, error) {
	chain := h.AddChain(&nftables.Chain{Name: listKind + "." + h.key + "." + strconv.Itoa(n), Table: h.tables.packets})
	names := 0
	for _, r := range list {
		var err error
		switch {
		case r.Prefix.IsValid():
			err = h.allowPrefix(chain, r, r.Prefix)
		case r.Name != "":
			err = h.allowName(chain, r, n, names)
			names++
		}
		if err != nil {
			return nil, err
		}
	}
	h.add(chain, &expr.Reject{Type: refuseByReset}, meta(expr.MetaKeyL4PROTO, protocolTCP))
	h.add(chain, &expr.Reject{Type: refuseByError, Code: prohibited})
	return chain, nil
}

func (h *held) allowPrefix(chain *nftables.Chain, r Rule, p netip.Prefix) error {
	offset, _ := target(p.Addr().Is6())
	return h.allow(chain, r, family(p.Addr()), within(expr.CmpOpEq, offset, p))
}

// allowName allows the addresses in the sets of a name, and those that the container knows by it.
func (h *held) allowName(chain *nftables.Chain, r Rule, list, n int) error {
	for _, v6 := range []bool{false, true} {
		any4or6 := netip.IPv4Unspecified()
		if v6 {
			any4or6 = netip.IPv6Unspecified()
		}
		set := addressSet(h.tables.packets, setName(h.key, list, n, v6), v6)
		if err := h.AddSet(set, nil); err != nil {
			return err
		}
		if err := h.allow(chain, r, family(any4or6), among(v6, set)); err != nil {
			return err
		}
	}
	for name, addrs := range h.Hosts {
		for _, a := range addrs {
			if !Match(r.Name, name) {
				continue
			}
			if err := h.allowPrefix(chain, r, netip.PrefixFrom(a, a.BitLen())); err != nil {
				return err
			}
		}
	}
	return nil
}

// addressSet is a set that the DNS server fills.
func addressSet(table *nftables.Table, name string, v6 bool) *nftables.Set {
	const most = 1 << 16 // elements: a name's owner may answer anything
	set := &nftables.Set{Table: table, Name: name, KeyType: nftables.TypeIPAddr, HasTimeout: true, Size: most}
	if v6 {
		set.KeyType = nftables.TypeIP6Addr
	}
	return set
}

// allow adds what a rule's ports are to what matches its addresses.
func (h *held) allow(chain *nftables.Chain, r Rule, when ...[]expr.Any) error {
	back := verdict(expr.VerdictReturn)
	if r.First == 0 {
		h.add(chain, back, when...)
		return h.step()
	}
	for _, protocol := range []byte{protocolTCP, protocolUDP} {
		h.add(chain, back, append(when[:len(when):len(when)], ports(protocol, r.First, r.Last))...)
	}
	return h.step()
}
