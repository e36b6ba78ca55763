package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// bind binds all ports, those first that leave no choice. Those that were chosen are put into the mappings.
func (p *Publication) bind(ctx context.Context) error {
	p.Mappings = slices.Clone(p.options.Mappings)
	p.sockets = make([]*os.File, len(p.Mappings))
	for _, choice := range []bool{false, true} {
		for i := range p.Mappings {
			if p.sockets[i] != nil || choice != open(p.Mappings[i]) {
				continue
			}
			var err error
			if p.sockets[i], err = listen(ctx, &p.Mappings[i], p.options.Last, sibling(p.options.Mappings, p.Mappings, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// open says whether a mapping leaves it open which port of the host it is.
func open(m spec.PortMapping) bool { return m.HostPort == 0 || m.HostEnd != 0 }

// listen binds a port, or one of those to choose from, which it puts into m.
func listen(ctx context.Context, m *spec.PortMapping, last []spec.PortMapping, sibling uint16) (socket *os.File, err error) {
	tried := *m
	for number, none := range candidates(*m, last, sibling) {
		if none != nil {
			return nil, explain(none, *m)
		}
		tried.HostPort = number
		if socket, err = bound(ctx, tried); err == nil {
			m.HostPort, m.HostEnd = number, 0
			return socket, nil
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

// bound binds one port. Nobody waits here for what comes to it.
func bound(ctx context.Context, m spec.PortMapping) (*os.File, error) {
	var config net.ListenConfig
	proto, at := network(m), net.JoinHostPort(m.HostIP, strconv.Itoa(int(m.HostPort)))
	if strings.HasPrefix(proto, "udp") {
		conn, err := config.ListenPacket(ctx, proto, at)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return sys.Unwatched(conn.(*net.UDPConn))
	}
	ln, err := config.Listen(ctx, proto, at)
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	return sys.Unwatched(ln.(*net.TCPListener))
}

// explain turns the failure to bind into a sentence.
func explain(err error, m spec.PortMapping) error {
	at := fmt.Sprintf("%d/%s", m.HostPort, m.Protocol)
	if m.HostIP != "" {
		at = fmt.Sprintf("%s/%s", net.JoinHostPort(m.HostIP, strconv.Itoa(int(m.HostPort))), m.Protocol)
	}
	switch {
	case m.HostEnd != 0 && errors.Is(err, syscall.EADDRINUSE):
		return errdefs.Errorf(errdefs.ErrConflict, "cannot publish one of the ports %s/%s: all are in use", m.HostPorts(), m.Protocol)
	case errors.Is(err, syscall.EADDRINUSE):
		return errdefs.Errorf(errdefs.ErrConflict, "cannot publish port %s: it is in use%s", at, by(m))
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot publish port %s: this machine has no address %s", at, m.HostIP)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return errdefs.Errorf(errdefs.ErrDenied, "cannot publish port %s: ports below %s are root's; use a higher one, or run (as root) sysctl net.ipv4.ip_unprivileged_port_start=%d",
			at, firstUnprivileged(), m.HostPort)
	}
	return fmt.Errorf("cannot publish port %s: %w", at, published.Crowded(err))
}

func firstUnprivileged() string {
	data, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return "1024"
	}
	return strings.TrimSpace(string(data))
}
