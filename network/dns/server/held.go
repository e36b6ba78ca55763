package server

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mosscontainers/moss/network/egress"
)

// holding is a container's end of a network on which egress lists hold it.
type holding struct {
	container, bridge string
	lists             [][]string // the names of each
}

// holds is what holds the container with this address there, by what of has read; nil when nothing does.
func (z *zones) holds(asker netip.Addr) *holding {
	z.mu.Lock()
	defer z.mu.Unlock()
	for bridge, n := range z.nets {
		for _, id := range n.addresses[asker] {
			if e, ok := n.living(id); ok && len(e.Egress) > 0 {
				return &holding{id, bridge, e.Egress}
			}
		}
	}
	return nil
}

// listed is the name of a question as lists have it.
func listed(q query) string {
	name := strings.TrimSuffix(strings.ToLower(q.question().Name), "."+domain)
	return strings.TrimSuffix(name, ".")
}

// resolveFor is resolve for a container with lists, which gets answers to names that they have, and reaches what it was told.
func (r *resolver) resolveFor(h *holding, q query, networks []*zone, own []netip.Addr) (*dns.Msg, func(context.Context) *dns.Msg) {
	if !egress.Allowed(h.lists, listed(q)) {
		return q.reply(dns.RcodeRefused), nil
	}
	reply, rest := r.answer(q, networks, own)
	if rest == nil {
		return r.let(h, q, reply, false), nil
	}
	return nil, func(ctx context.Context) *dns.Msg { return r.let(h, q, rest(ctx), true) }
}

// let lets a container reach what a reply has, and returns the reply when that is done. What the outside says of addresses in here is
// nothing to go by.
func (r *resolver) let(h *holding, q query, reply *dns.Msg, fromOutside bool) *dns.Msg {
	if reply == nil {
		return nil
	}
	var answers []egress.Answer
	for _, rr := range reply.Answer {
		addr, ok := addressIn(rr)
		if !ok || fromOutside && (r.zones.inside(addr) || !addr.IsGlobalUnicast()) {
			continue
		}
		answers = append(answers, egress.Answer{Address: addr, TTL: time.Duration(rr.Header().Ttl) * time.Second})
	}
	if len(answers) == 0 {
		return reply
	}
	if err := r.there(func() error { return egress.Allow(h.container, h.bridge, h.lists, listed(q), answers) }); err != nil {
		fmt.Fprintln(os.Stderr, "moss-dns:", err)
		return q.reply(dns.RcodeServerFailure)
	}
	return reply
}

// addressIn is the address that a record has, if it is of such a kind.
func addressIn(rr dns.RR) (addr netip.Addr, ok bool) {
	switch rr := rr.(type) {
	case *dns.A:
		addr, ok = netip.AddrFromSlice(rr.A.To4())
	case *dns.AAAA:
		addr, ok = netip.AddrFromSlice(rr.AAAA.To16())
		ok = ok && !addr.Is4In6()
	}
	return addr, ok
}

// slirp is the network of the uplink, where the host's loopback is.
var slirp = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 2, 0}), 24)

// inside says whether an address is a container's, a gateway's or the uplink's.
func (z *zones) inside(addr netip.Addr) bool {
	if slirp.Contains(addr) || z.gateways()[addr] {
		return true
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	_, ok := z.container(addr)
	return ok
}
