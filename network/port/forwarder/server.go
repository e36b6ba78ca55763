package forwarder

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/mosscontainers/moss/network/published"
)

// server serves the published ports of one container.
type server struct {
	dialer *dialer
	mover  *mover
	ports  []port
}

// port is one that is served.
type port interface {
	// close closes it and its connections, and waits until nothing dials for it any more.
	close()
}

// take serves one more batch. The files are used up.
func (s *session) take(data []byte, files []*os.File) (err error) {
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	var b published.Batch
	if err := json.Unmarshal(data, &b); err != nil {
		return err
	}
	if len(files) != 1+len(b.Ports) {
		return published.Crowded(fmt.Errorf("the forwarder of published ports: %w", syscall.EMFILE))
	}
	if s.server == nil {
		if s.server, err = newServer(files[0], b.Target); err != nil {
			return err
		}
	}
	for i, p := range b.Ports {
		if err := s.server.serve(files[1+i], p, s.tell); err != nil {
			return fmt.Errorf("cannot serve port %d: %w", p.Number, published.Crowded(err))
		}
	}
	return nil
}

// tell has the monitor note an event.
func (s *session) tell(event string) { s.say(published.Event + event + "\n") }

func newServer(netns *os.File, to published.Target) (*server, error) {
	d, err := newDialer(netns, to)
	if err != nil {
		return nil, err
	}
	m, err := newMover()
	if err != nil {
		d.Leave()
		return nil, err
	}
	return &server{dialer: d, mover: m}, nil
}

// serve serves what comes to a socket.
func (s *server) serve(f *os.File, p published.Port, tell func(event string)) error {
	if p.Protocol == "udp" {
		conn, err := net.FilePacketConn(f)
		if err != nil {
			return err
		}
		datagrams, err := serveDatagrams(conn.(*net.UDPConn), s.dialer, p.Number, tell)
		if err == nil {
			s.ports = append(s.ports, datagrams)
		}
		return err
	}
	ln, err := net.FileListener(f)
	if err != nil {
		return err
	}
	streams := &streams{ln: ln.(*net.TCPListener), dialer: s.dialer, mover: s.mover, to: p.Number, tell: tell}
	streams.serve()
	s.ports = append(s.ports, streams)
	return nil
}

// close stops listening. Connections that are open are closed.
func (s *server) close() {
	s.dialer.cancel()
	for _, p := range s.ports {
		p.close()
	}
	s.mover.close()
	s.dialer.Leave()
}
