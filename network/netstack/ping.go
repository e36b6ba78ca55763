package netstack

import (
	"encoding/binary"
	"net/netip"
	"os"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/nested"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/mosscontainers/moss/pkg/sys"
)

const (
	// pingIdle is how long the answer to an echo request is waited for.
	pingIdle = 10 * time.Second
	// maxPings bounds the sockets for them.
	maxPings = 256
	// What is before the data of an echo request: type, code, checksum, identifier, sequence number.
	echoHeader, identAt = 8, 4
)

// pings passes on the echo requests of the namespace's, where the host lets its user ask (net.ipv4.ping_group_range). The stack
// itself would say of every address in the world that it is there.
type pings struct {
	nested.Endpoint
	stack *stack.Stack
	out   *outside
	rest  *rest

	mu   sync.Mutex
	open map[pingID]*os.File // nil after close
	wg   sync.WaitGroup
}

type pingID struct {
	from, to netip.Addr
	ident    uint16
}

func newPings(link stack.LinkEndpoint, s *stack.Stack, out *outside, r *rest) *pings {
	p := &pings{stack: s, out: out, rest: r, open: map[pingID]*os.File{}}
	p.Init(link, p)
	return p
}

// DeliverNetworkPacket lets through everything but echo requests to somewhere else.
func (p *pings) DeliverNetworkPacket(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	p.rest.packet()
	id, message, is := echoRequest(protocol, pkt)
	if !is || p.out.isOurs(id.to) {
		p.Endpoint.DeliverNetworkPacket(protocol, pkt)
		return
	}
	if conn := p.socket(id); conn != nil {
		_, _ = conn.Write(message) // like any packet, it may be lost
	}
}

// socket finds or makes the socket that asks, which has the identifier of its own that the kernel writes into the message.
func (p *pings) socket(id pingID) *os.File {
	to := p.out.target(netip.AddrPortFrom(id.to, 0))
	if !to.IsValid() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if conn := p.open[id]; conn != nil {
		return conn
	}
	if p.open == nil || len(p.open) >= maxPings {
		return nil
	}
	conn, err := sys.DialPing(to.Addr())
	if err != nil {
		return nil
	}
	p.open[id] = conn
	p.wg.Go(func() { p.answers(id, conn) })
	return conn
}

// answers brings the answers until none comes for a while.
func (p *pings) answers(id pingID, conn *os.File) {
	buf := make([]byte, maxUDP)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(pingIdle))
		n, err := conn.Read(buf)
		if err != nil {
			break
		}
		if n >= echoHeader {
			p.send(id, buf[:n])
		}
	}
	p.mu.Lock()
	delete(p.open, id)
	p.mu.Unlock()
	conn.Close()
}

// send sends an answer into the namespace, with the identifier that was asked with.
func (p *pings) send(id pingID, message []byte) {
	network, transport := ipv4.ProtocolNumber, header.ICMPv4ProtocolNumber
	if id.to.Is6() {
		network, transport = ipv6.ProtocolNumber, header.ICMPv6ProtocolNumber
	}
	route, tcpErr := p.stack.FindRoute(nic, address(id.to), address(id.from), network, false)
	if tcpErr != nil {
		return
	}
	defer route.Release()
	binary.BigEndian.PutUint16(message[identAt:], id.ident)
	header.ICMPv4(message).SetChecksum(0) // it is where ICMPv6 has it
	sum := uint16(0)
	if id.to.Is6() {
		sum = header.PseudoHeaderChecksum(transport, route.LocalAddress(), route.RemoteAddress(), uint16(len(message)))
	}
	header.ICMPv4(message).SetChecksum(^checksum.Checksum(message, sum))
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: int(route.MaxHeaderLength()), Payload: buffer.MakeWithData(message),
	})
	defer pkt.DecRef()
	_ = route.WritePacket(stack.NetworkHeaderParams{Protocol: transport, TTL: route.DefaultTTL(), TOS: stack.DefaultTOS}, pkt)
}

// active says whether answers are waited for.
func (p *pings) active() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open) > 0
}

func (p *pings) close() {
	p.mu.Lock()
	for _, conn := range p.open {
		conn.Close()
	}
	p.open = nil
	p.mu.Unlock()
	p.wg.Wait()
}

// echoRequest takes an echo request apart.
func echoRequest(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) (id pingID, message []byte, is bool) {
	var from, to tcpip.Address
	size, kind := 0, byte(0)
	switch protocol {
	case ipv4.ProtocolNumber:
		b, ok := pkt.Data().PullUp(header.IPv4MinimumSize)
		ip := header.IPv4(b)
		if !ok || ip.TransportProtocol() != header.ICMPv4ProtocolNumber || ip.FragmentOffset() != 0 || ip.More() {
			return id, nil, false
		}
		from, to, size, kind = ip.SourceAddress(), ip.DestinationAddress(), int(ip.HeaderLength()), byte(header.ICMPv4Echo)
	case ipv6.ProtocolNumber:
		b, ok := pkt.Data().PullUp(header.IPv6MinimumSize)
		ip := header.IPv6(b)
		if !ok || ip.TransportProtocol() != header.ICMPv6ProtocolNumber {
			return id, nil, false
		}
		from, to, size, kind = ip.SourceAddress(), ip.DestinationAddress(), header.IPv6MinimumSize, byte(header.ICMPv6EchoRequest)
	default:
		return id, nil, false
	}
	packet := pkt.Data().AsRange().ToSlice()
	if len(packet) < size+echoHeader || packet[size] != kind {
		return id, nil, false
	}
	message = packet[size:]
	return pingID{
		from: fromAddress(from, 0).Addr(), to: fromAddress(to, 0).Addr(), ident: binary.BigEndian.Uint16(message[identAt:]),
	}, message, true
}
