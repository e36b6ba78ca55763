package netstack

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// How long a flow of datagrams is remembered: after a question to a name server, after datagrams that nobody answered, and
	// after a conversation (the last two as the kernel's nf_conntrack_udp_timeout and nf_conntrack_udp_timeout_stream).
	dnsIdle      = 10 * time.Second
	unansweredIn = 30 * time.Second
	answeredIn   = 120 * time.Second
	// maxFlows bounds the sockets that a namespace can make the host open by sending datagrams everywhere. Then new flows take the places of old ones: all
	// containers share them, and one that speaks with everybody must not keep the others from asking for a name.
	maxFlows = 8192
	// looked is how many flows are compared to find one that has been silent for long.
	looked = 32
	maxUDP = 1<<16 - 1
)

// flowID names a flow: two ends in the namespace's eyes.
type flowID struct{ from, to netip.AddrPort }

// datagrams keeps a socket for each flow of datagrams. They do not pass through sockets of the stack: most flows are one question and
// one answer.
type datagrams struct {
	stack   *stack.Stack
	out     *outside
	buffers sync.Pool
	most    int // flows

	mu    sync.Mutex
	flows map[flowID]*flow // nil after close
	wg    sync.WaitGroup
}

type flow struct {
	conn     *net.UDPConn
	idle     time.Duration
	last     atomic.Int64 // when something was sent or received last, in Unix nanoseconds
	answered atomic.Bool
}

func newDatagrams(s *stack.Stack, out *outside) *datagrams {
	return &datagrams{
		stack: s, out: out, most: maxFlows, flows: map[flowID]*flow{},
		buffers: sync.Pool{New: func() any { return new([maxUDP]byte) }},
	}
}

// handle takes one datagram of the namespace's. False has the stack answer that nobody listens there.
func (d *datagrams) handle(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	flow := d.flow(flowID{from: fromAddress(id.RemoteAddress, id.RemotePort), to: fromAddress(id.LocalAddress, id.LocalPort)})
	if flow == nil {
		return false
	}
	flow.last.Store(time.Now().UnixNano())
	_, err := flow.conn.Write(pkt.Data().AsRange().ToSlice())
	// What an earlier datagram came to is told by the next one's Write.
	return !errors.Is(err, syscall.ECONNREFUSED)
}

// flow finds or makes a flow; nil leads nowhere.
func (d *datagrams) flow(id flowID) *flow {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.flows[id]; f != nil {
		return f
	}
	to := d.out.target(id.to)
	if !to.IsValid() || d.flows == nil {
		return nil
	}
	if len(d.flows) >= d.most {
		d.forgetOne()
	}
	conn, err := d.out.dial("udp", to)
	if errors.Is(err, syscall.EMFILE) { // the next one finds a place
		d.forgetOne()
	}
	if err != nil {
		return nil
	}
	f := &flow{conn: conn.(*net.UDPConn), idle: answeredIn}
	if id.to.Port() == dnsPort {
		f.idle = dnsIdle
	}
	f.last.Store(time.Now().UnixNano())
	d.flows[id] = f
	d.wg.Go(func() { d.answers(id, f) })
	return f
}

// forgetOne ends the flow of some that would be forgotten first. The caller holds the lock.
func (d *datagrams) forgetOne() {
	var first flowID
	var oldest *flow
	n := 0
	for id, f := range d.flows { // in no order
		if oldest == nil || f.end().Before(oldest.end()) {
			first, oldest = id, f
		}
		if n++; n == looked {
			break
		}
	}
	if oldest != nil {
		delete(d.flows, first)
		oldest.conn.Close()
	}
}

// answers brings what comes back until nothing has gone either way for a while.
func (d *datagrams) answers(id flowID, f *flow) {
	raw, err := f.conn.SyscallConn()
	for err == nil {
		_ = f.conn.SetReadDeadline(f.end())
		var received error
		// The buffer is taken when there is something to put into it: thousands of flows wait without.
		err = raw.Read(func(fd uintptr) bool {
			received = d.receive(id, f, int(fd))
			return !errors.Is(received, syscall.EAGAIN)
		})
		if errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(f.end()) {
			err = nil // something went out meanwhile
		}
	}
	d.mu.Lock()
	if d.flows[id] == f { // it may have been forgotten, and another one begun
		delete(d.flows, id)
	}
	d.mu.Unlock()
	f.conn.Close()
}

// end is when the flow will be forgotten.
func (f *flow) end() time.Time {
	idle := f.idle
	if !f.answered.Load() {
		idle = min(idle, unansweredIn)
	}
	return time.Unix(0, f.last.Load()).Add(idle)
}

// receive passes one datagram on. What is wrong with one is not with the next.
func (d *datagrams) receive(id flowID, f *flow, fd int) error {
	buf := d.buffers.Get().(*[maxUDP]byte)
	defer d.buffers.Put(buf)
	n, _, err := syscall.Recvfrom(fd, buf[:], 0)
	if err != nil {
		return err
	}
	f.answered.Store(true)
	f.last.Store(time.Now().UnixNano())
	d.send(id.to, id.from, buf[:n])
	return nil
}

// send sends a datagram into the namespace.
func (d *datagrams) send(from, to netip.AddrPort, payload []byte) {
	protocol := ipv4.ProtocolNumber
	if to.Addr().Is6() {
		protocol = ipv6.ProtocolNumber
	}
	route, err := d.stack.FindRoute(nic, address(from.Addr()), address(to.Addr()), protocol, false)
	if err != nil {
		return
	}
	defer route.Release()
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: header.UDPMinimumSize + int(route.MaxHeaderLength()),
		Payload:            buffer.MakeWithData(payload),
	})
	defer pkt.DecRef()
	length := uint16(header.UDPMinimumSize + len(payload))
	udp := header.UDP(pkt.TransportHeader().Push(header.UDPMinimumSize))
	pkt.TransportProtocolNumber = header.UDPProtocolNumber
	udp.Encode(&header.UDPFields{SrcPort: from.Port(), DstPort: to.Port(), Length: length})
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, route.LocalAddress(), route.RemoteAddress(), length)
	// A sum of 0 would say that there is none (RFC 768, RFC 8200).
	if udp.SetChecksum(^udp.CalculateChecksum(checksum.Checksum(payload, sum))); udp.Checksum() == 0 {
		udp.SetChecksum(0xffff)
	}
	_ = route.WritePacket(stack.NetworkHeaderParams{
		Protocol: header.UDPProtocolNumber, TTL: route.DefaultTTL(), TOS: stack.DefaultTOS,
	}, pkt)
}

// active says whether there are flows.
func (d *datagrams) active() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.flows) > 0
}

// close ends all flows.
func (d *datagrams) close() {
	d.mu.Lock()
	for _, f := range d.flows {
		f.conn.Close()
	}
	d.flows = nil
	d.mu.Unlock()
	d.wg.Wait()
}
