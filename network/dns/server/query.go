package server

import (
	"net/netip"

	"github.com/miekg/dns"
)

// The longest answers: a datagram's without and with EDNS(0) (RFC 1035, 4.2.1; RFC 6891), and a stream's.
const (
	minDatagram = dns.MinMsgSize
	maxDatagram = 4096
	maxStream   = dns.MaxMsgSize
)

// query is what somebody asks.
type query struct {
	asker netip.Addr
	msg   *dns.Msg // nil for what is no query at all, and gets no answer
	// rcode is what is wrong with it, dns.RcodeSuccess when nothing is.
	rcode int
}

// parse reads a packet that anybody may have made.
func parse(asker netip.Addr, packet []byte) query {
	q := query{asker: asker}
	msg := new(dns.Msg)
	err := msg.Unpack(packet)
	const header = 12
	if len(packet) < header || msg.Response {
		return q
	}
	q.msg = msg
	switch {
	case err != nil || (msg.Opcode == dns.OpcodeQuery && len(msg.Question) != 1):
		q.rcode = dns.RcodeFormatError
		msg.Question, msg.Extra = nil, nil
	case msg.Opcode != dns.OpcodeQuery:
		q.rcode = dns.RcodeNotImplemented
	case msg.IsEdns0() != nil && msg.IsEdns0().Version() != 0:
		q.rcode = dns.RcodeBadVers
	case q.question().Qclass != dns.ClassINET || isTransfer(q.question().Qtype):
		q.rcode = dns.RcodeRefused
	}
	return q
}

// isTransfer says that a type stands for a whole zone.
func isTransfer(kind uint16) bool { return kind == dns.TypeAXFR || kind == dns.TypeIXFR }

// question is of a query that nothing is wrong with.
func (q query) question() dns.Question { return q.msg.Question[0] }

// reply begins an answer.
func (q query) reply(rcode int) *dns.Msg {
	reply := new(dns.Msg)
	reply.SetRcode(q.msg, rcode)
	reply.RecursionAvailable = true
	return reply
}

// pack is an answer as it goes to the asker: over a stream, or as a datagram that is no longer than he takes.
func (q query) pack(reply *dns.Msg, stream bool) []byte {
	if reply == nil {
		return nil
	}
	limit := minDatagram
	if opt := q.msg.IsEdns0(); opt != nil {
		limit = max(minDatagram, min(int(opt.UDPSize()), maxDatagram))
		reply.SetEdns0(maxDatagram, opt.Do())
	} else if reply.Rcode > 0xF { // which only EDNS(0) can say
		reply.Rcode = dns.RcodeServerFailure
	}
	if stream {
		limit = maxStream
	}
	cut := reply.Truncated
	reply.Truncate(limit)
	reply.Truncated = reply.Truncated || cut
	data, err := reply.Pack()
	if err != nil {
		data, err = q.reply(dns.RcodeServerFailure).Pack()
	}
	if err != nil {
		return nil
	}
	return data
}
