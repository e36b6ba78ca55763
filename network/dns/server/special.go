package server

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Names that no server outside is to be asked for (RFC 6761, 6.3 and 6.4; RFC 7686, 2). test. is one more, but companies use it.
const (
	local   = "localhost."
	invalid = "invalid."
	onion   = "onion."
)

// isLocal says whether a question is for whoever asks it: no container is called so.
func isLocal(q dns.Question) bool { return strings.EqualFold(q.Name, local) }

// loopback answers with the asker's own addresses.
func loopback(q query) *dns.Msg {
	reply := q.reply(dns.RcodeSuccess)
	reply.Authoritative = true
	reply.Answer = records(q.question(), []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()})
	return reply
}

// special answers what is not known of containers and yet not asked of others; nil is for all else. Containers may be called something.localhost.
func special(q query) *dns.Msg {
	switch name := strings.ToLower(q.question().Name); {
	case dns.IsSubDomain(local, name):
		return loopback(q)
	case dns.IsSubDomain(invalid, name), dns.IsSubDomain(onion, name), dns.IsSubDomain(domain, name):
		reply := q.reply(dns.RcodeNameError)
		reply.Authoritative = true
		return reply
	}
	return nil
}
