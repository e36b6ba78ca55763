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
	_ = s.mover.take(client, server) // the client sees that it is over
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
