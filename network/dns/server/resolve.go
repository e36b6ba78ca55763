package server

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	mossdns "github.com/mosscontainers/moss/network/dns"
)

// domain is the search domain of containers; a name in it is never forwarded.
const domain = mossdns.Domain + "."

// resolver answers queries.
type resolver struct {
	zones    *zones
	upstream *upstream
	// there does something in the user's network namespace.
	there func(func() error) error
}

// resolve is the way of every query: it answers with what the asker's networks know, or gives what is left to do, which is
// to ask others. Both are nil for what gets no answer.
func (r *resolver) resolve(q query) (reply *dns.Msg, rest func(context.Context) *dns.Msg) {
	switch {
	case q.msg == nil:
		return nil, nil
	case q.rcode != dns.RcodeSuccess:
		return q.reply(q.rcode), nil
	}
	networks, own := r.zones.of(q.asker)
	if len(networks) == 0 { // nobody of ours
		return q.reply(dns.RcodeRefused), nil
	}
	if isLocal(q.question()) {
		return loopback(q), nil
	}
	if h := r.zones.holds(q.asker); h != nil {
		return r.resolveFor(h, q, networks, own)
	}
	return r.answer(q, networks, own)
}

// answer is resolve for a query that nothing is wrong with. own are the servers that the asker has for himself.
func (r *resolver) answer(q query, networks []*zone, own []netip.Addr) (reply *dns.Msg, rest func(context.Context) *dns.Msg) {
	if answers, known := lookup(networks, q.question()); known {
		reply = q.reply(dns.RcodeSuccess)
		reply.Authoritative, reply.Answer = true, answers
		return reply, nil
	}
	if reply := special(q); reply != nil {
		return reply, nil
	}
	servers, outside := leadingOut(networks)
	if !outside {
		reply = q.reply(dns.RcodeNameError)
		reply.Authoritative = true
		return reply, nil
	}
	if len(own) > 0 {
		servers = own
	}
	return nil, func(ctx context.Context) *dns.Msg {
		return r.upstream.forward(ctx, q, servers, r.zones.gateways())
	}
}

// leadingOut says whether one of the networks leads to the outside, and which servers they ask there instead of the host's.
func leadingOut(networks []*zone) (servers []netip.Addr, outside bool) {
	for _, n := range networks {
		if !n.network.Internal {
			outside = true
			servers = append(servers, n.network.Servers...)
		}
	}
	return servers, outside
}

// lookup answers a question from the networks. A name that they know is known whatever is asked of it, so that the answer may be empty.
func lookup(networks []*zone, q dns.Question) (answers []dns.RR, known bool) {
	name := strings.ToLower(q.Name)
	if addr, ok := reversed(name); ok {
		names := namesOf(networks, addr)
		if addr.IsLoopback() {
			names = []string{local}
		}
		return pointers(q, names), len(names) > 0
	}
	if name == domain {
		return nil, true
	}
	addresses := addressesOf(networks, strings.TrimSuffix(strings.TrimSuffix(name, "."+domain), "."))
	// Who takes the first address is to get another one each time.
	rand.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
	return records(q, addresses), len(addresses) > 0
}

// addressesOf are those of all living containers with a name, each once.
func addressesOf(networks []*zone, name string) (addresses []netip.Addr) {
	for _, n := range networks {
		if n.network.Host.IsValid() && (name == "host.containers.internal" || name == "host.docker.internal") {
			addresses = append(addresses, n.network.Host)
		}
		for _, id := range n.names[name] {
			if e, ok := n.living(id); ok {
				addresses = append(addresses, e.Addresses...)
			}
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(addresses)
}

// namesOf are all names of the living container with an address.
func namesOf(networks []*zone, addr netip.Addr) []string {
	for _, n := range networks {
		for _, id := range n.addresses[addr] {
			if e, ok := n.living(id); ok {
				return e.Names
			}
		}
	}
	return nil
}

// records are the addresses of the family that is asked for. They may be another container's in a second: nobody is to
// remember them.
func records(q dns.Question, addresses []netip.Addr) (answers []dns.RR) {
	header := dns.RR_Header{Name: q.Name, Class: dns.ClassINET}
	both := q.Qtype == dns.TypeANY
	for _, a := range addresses {
		ip := net.IP(a.AsSlice())
		switch {
		case a.Is4() && (both || q.Qtype == dns.TypeA):
			header.Rrtype = dns.TypeA
			answers = append(answers, &dns.A{Hdr: header, A: ip})
		case a.Is6() && (both || q.Qtype == dns.TypeAAAA):
			header.Rrtype = dns.TypeAAAA
			answers = append(answers, &dns.AAAA{Hdr: header, AAAA: ip})
		}
	}
	return answers
}

// pointers are the names of a reverse lookup.
func pointers(q dns.Question, names []string) (answers []dns.RR) {
	if q.Qtype != dns.TypePTR && q.Qtype != dns.TypeANY {
		return nil
	}
	for _, name := range names {
		if _, ok := dns.IsDomainName(name); ok {
			header := dns.RR_Header{Name: q.Name, Class: dns.ClassINET, Rrtype: dns.TypePTR}
			answers = append(answers, &dns.PTR{Hdr: header, Ptr: dns.Fqdn(name)})
		}
	}
	return answers
}
