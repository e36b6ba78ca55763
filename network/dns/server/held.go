package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mosscontainers/moss/network/egress"
	"github.com/mosscontainers/moss/network/uplink"
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
	var addrs []egress.Answer
	for _, rr := range reply.Answer {
		if addr, ok := addressIn(rr); ok {
			addrs = append(addrs, egress.Answer{Address: addr, TTL: time.Duration(rr.Header().Ttl) * time.Second})
		}
	}
	if len(addrs) == 0 {
		return reply
	}
	err := r.there(func() (err error) {
		if fromOutside {
			if addrs, err = r.outside(addrs); err != nil {
				return err
			}
		}
		return egress.Allow(h.container, h.bridge, h.lists, listed(q), addrs)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "moss-dns:", err)
		return q.reply(dns.RcodeServerFailure)
	}
	return reply
}

// outside leaves out what is in the user's network namespace, where it is called: containers, also those without names, gateways, and the uplink,
// which has the host's name server.
func (r *resolver) outside(addrs []egress.Answer) ([]egress.Answer, error) {
	near, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("cannot tell which addresses are the namespace's: %w", err)
	}
	inside := []netip.Prefix{uplink.Subnet, uplink.Subnet6}
	for _, n := range near {
		if p, err := netip.ParsePrefix(n.String()); err == nil {
			inside = append(inside, p)
		}
	}
	gateways := r.zones.gateways() // also of networks whose bridges are not there yet
	return slices.DeleteFunc(addrs, func(a egress.Answer) bool {
		return !a.Address.IsGlobalUnicast() || gateways[a.Address] ||
			slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Contains(a.Address) })
	}), nil
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
