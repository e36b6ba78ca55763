package forwarder

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// pause is how long a port that ran out of descriptors or memory waits for them to come back.
const pause = 50 * time.Millisecond

// What may be on its way within the machine, in bytes. The kernel doubles both, for what it needs itself (socket(7)). A packet on the loopback has up to
// 64 KB, and readAhead must have room for one: with less, each is cut in two.
const (
	readAhead  = 64 << 10
	writeAhead = 128 << 10
)

// streams serves one TCP port: each connection is spliced to one of its own in the container.
type streams struct {
	ln     *net.TCPListener
	dialer *dialer
	to     uint16 // the container's port
	tell   func(event string)
	mover  *mover

	owned sync.WaitGroup
	mu    sync.Mutex
	open  map[*net.TCPConn]bool // nil when closed
}

func (s *streams) serve() {
	s.open = map[*net.TCPConn]bool{}
	s.owned.Go(func() {
		short := false
		for {
			client, err := s.ln.AcceptTCP()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				s.owned.Go(func() { s.pass(client) })
			} else {
				if !short {
					s.tell(fmt.Sprintf("the port %s takes no connections for a while: %v", s.ln.Addr(), err))
				}
				time.Sleep(pause)
			}
			short = err != nil
		}
	})
}

// pass connects a client with a server; the mover does the rest.
func (s *streams) pass(client *net.TCPConn) {
	defer s.end(client)
	from, err := netip.ParseAddrPort(client.RemoteAddr().String())
	if err != nil || !s.begin(client) {
		return
	}
	server, err := s.dialer.stream(from, s.to)
	if err != nil {
		return
	}
	defer s.end(server)
	if !s.begin(server) {
		return
	}
	hold(server)
	if near(client) {
		hold(client)
	}
	_ = s.mover.take(client, server) // the client sees that it is over
}

// near says of a client that it is on this machine: it has one of its addresses.
func near(client *net.TCPConn) bool {
	here, there := client.LocalAddr().(*net.TCPAddr), client.RemoteAddr().(*net.TCPAddr)
	return there.IP.IsLoopback() || there.IP.Equal(here.IP)
}

// hold keeps a connection within the machine from having much on its way. Nothing is far there, so what a sender may be ahead of its receiver is
// no gain, and megabytes of that are no longer in the processor's cache when it is their turn.
func hold(conn *net.TCPConn) {
	_ = conn.SetReadBuffer(readAhead) // else it is as it is, and slower
	_ = conn.SetWriteBuffer(writeAhead)
}

// begin notes an open connection, so that close can end it. It is false after that.
func (s *streams) begin(conn *net.TCPConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		return false
	}
	s.open[conn] = true
	return true
}

func (s *streams) end(conn *net.TCPConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, conn)
	_ = conn.Close() // also a second time
}

func (s *streams) close() {
	_ = s.ln.Close()
	s.mu.Lock()
	for conn := range s.open {
		_ = conn.Close()
	}
	s.open = nil
	s.mu.Unlock()
	s.owned.Wait()
}
