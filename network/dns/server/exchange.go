package server

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// exchange asks one server, by TCP when the answer is too long for a datagram.
func exchange(ctx context.Context, server netip.Addr, q query) (*dns.Msg, error) {
	reply, err := talk(ctx, "udp", server, q)
	if err == nil && !reply.Truncated {
		return reply, nil
	}
	if err != nil && !errors.Is(err, errCut) {
		return nil, err
	}
	whole, err := talk(ctx, "tcp", server, q)
	if err != nil && reply != nil {
		return reply, nil // part of the answer, and it says so
	}
	return whole, err
}

// errCut says that an answer is longer than it may be, or cannot be understood: it may be whole over TCP.
var errCut = errors.New("the answer is cut")

// talk asks one server over one protocol.
func talk(ctx context.Context, proto string, server netip.Addr, q query) (*dns.Msg, error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, proto, netip.AddrPortFrom(server, port).String())
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	conn := &dns.Conn{Conn: raw, UDPSize: maxDatagram}
	request := q.request()
	if err := conn.WriteMsg(request); err != nil {
		return nil, err
	}
	for {
		reply, err := conn.ReadMsg()
		var network *net.OpError
		switch {
		case errors.As(err, &network):
			return nil, err
		case reply == nil || reply.Id != request.Id || !reply.Response: // somebody else's
			if proto == "tcp" {
				return nil, errors.Join(errCut, err)
			}
			continue
		case err != nil:
			return nil, errCut
		case !asked(reply, request):
			continue
		}
		return q.passOn(reply), nil
	}
}

// request is the query as it is forwarded: what a server may do with it, under an id of ours. What is said from hop to hop
// stays here (RFC 6891, 6.2.6).
func (q query) request() *dns.Msg {
	request := new(dns.Msg)
	request.Id = dns.Id()
	request.RecursionDesired = q.msg.RecursionDesired
	request.CheckingDisabled = q.msg.CheckingDisabled
	request.AuthenticatedData = q.msg.AuthenticatedData
	request.Question = q.msg.Question
	if opt := q.msg.IsEdns0(); opt != nil {
		request.SetEdns0(maxDatagram, opt.Do())
	}
	return request
}

// asked says whether a reply is to the question of request. A server that understands no more than the id repeats no question.
func asked(reply, request *dns.Msg) bool {
	if len(reply.Question) == 0 {
		return reply.Rcode != dns.RcodeSuccess
	}
	a, b := reply.Question[0], request.Question[0]
	return len(reply.Question) == 1 && a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}

// passOn makes an answer of others ours.
func (q query) passOn(reply *dns.Msg) *dns.Msg {
	reply.Id, reply.Question = q.msg.Id, q.msg.Question
	reply.Authoritative = false
	reply.Extra = slices.DeleteFunc(reply.Extra, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeOPT })
	return reply
}
