package forwarder

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin/parent/udp/udpproxy"
)

// datagrams serves one UDP port with rootlesskit's proxy, which keeps a socket in the container for each client that was heard of
// in the last 90 seconds.
type datagrams struct {
	proxy  *udpproxy.UDPProxy
	closed chan struct{}
	owned  sync.WaitGroup
}

func serveDatagrams(conn *net.UDPConn, d *dialer, to uint16, tell func(event string)) *datagrams {
	s := &datagrams{closed: make(chan struct{}), proxy: &udpproxy.UDPProxy{
		LogWriter: io.Discard, Listener: conn, BackendDial: func() (*net.UDPConn, error) { return d.datagrams(to) },
	}}
	s.owned.Go(func() {
		for {
			s.proxy.Run() // until the port is closed, or something goes wrong with it
			select {
			case <-s.closed:
				return
			case <-time.After(pause):
				tell(fmt.Sprintf("the port %s/udp was closed for a moment", conn.LocalAddr()))
			}
		}
	})
	return s
}

func (s *datagrams) close() {
	close(s.closed)
	s.proxy.Close()
	s.owned.Wait()
}
