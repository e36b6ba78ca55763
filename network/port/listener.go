package port

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/mosscontainers/moss/pkg/spec"
)

// listener is one published port that is open.
type listener interface {
	// close closes the port and its connections, and waits until nothing dials for it any more.
	close() error
}

// listen binds the port, or one of those to choose from, which it puts into m.
func (s *Server) listen(ctx context.Context, m *spec.PortMapping, o Options) (l listener, err error) {
	tried := *m
	for number, none := range candidates(*m, o.Last) {
		if none != nil {
			return nil, explain(none, *m)
		}
		tried.HostPort = number
		if l, err = s.open(ctx, tried, o); err == nil {
			m.HostPort, m.HostEnd = number, 0
			return l, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	if m.HostEnd != 0 {
		tried = *m
	}
	return nil, explain(err, tried)
}

func (s *Server) open(ctx context.Context, m spec.PortMapping, o Options) (listener, error) {
	var config net.ListenConfig
	proto, at := network(m), net.JoinHostPort(m.HostIP, strconv.Itoa(int(m.HostPort)))
	if strings.HasPrefix(proto, "udp") {
		conn, err := config.ListenPacket(ctx, proto, at)
		if err != nil {
			return nil, err
		}
		return serveDatagrams(conn.(*net.UDPConn), s.dialer, m.ContainerPort, o), nil
	}
	ln, err := config.Listen(ctx, proto, at)
	if err != nil {
		return nil, err
	}
	streams := &streams{ln: ln.(*net.TCPListener), dialer: s.dialer, mover: s.mover, to: m.ContainerPort, log: o.Log, tell: o.Tell}
	streams.serve()
	return streams, nil
}
