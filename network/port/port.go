// Package port publishes ports of containers on the host. It runs inside the container's monitor: listeners in the host's network
// namespace, and connections to the container's servers from sockets that were opened in the container's.
//
// Servers see the address of a TCP client, also that of a client with IPv6 where the container has no such address. Package network
// prepares the routes for that. Datagrams
// come from the container's own address: the answer to another could not be told from other traffic.
package port

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// Options say what to publish.
type Options struct {
	NetNS    *os.File           // the container's network namespace; it is used until Close
	Address  netip.Addr         // the container's, IPv4; it may be without one
	Gateway  netip.Addr         // stands for clients whose own address cannot be kept
	Address6 netip.Addr         // the container's, IPv6; it may be without one
	Gateway6 netip.Addr         // as Gateway
	Mappings []spec.PortMapping // HostPort 0 is "choose one"
	Last     []spec.PortMapping // of an earlier Serve: ports that were chosen then are preferred
	Log      io.Writer          // what goes wrong with single connections; nil is nowhere
	Tell     func(event string) // is told when a port can take no connections; nil is nobody
}

// Server holds published ports open.
type Server struct {
	// Mappings are those asked for, with the chosen ports in place of 0.
	Mappings []spec.PortMapping

	listeners []listener
	dialer    *dialer
	mover     *mover
}

// Serve binds all ports, or none. When it returns, clients can connect; they wait until the container's server
// answers for about a quarter of a second. Errors are ErrConflict for an address in use, and ErrDenied.
func Serve(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	d, err := newDialer(o)
	if err != nil {
		return nil, fmt.Errorf("cannot publish ports: %w", err)
	}
	s := &Server{Mappings: slices.Clone(o.Mappings), dialer: d}
	if s.mover, err = newMover(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot publish ports: %w", err), s.Close())
	}
	for i := range s.Mappings {
		l, err := s.listen(ctx, &s.Mappings[i], o)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.listeners = append(s.listeners, l)
	}
	return s, nil
}

// Close stops listening. Connections that are open are closed. Closing twice is harmless.
func (s *Server) Close() error {
	if s.dialer == nil {
		return nil
	}
	s.dialer.cancel()
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.close())
	}
	if s.mover != nil {
		errs = append(errs, s.mover.close())
	}
	s.dialer.close()
	s.dialer = nil
	return errors.Join(errs...)
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
	return fmt.Errorf("cannot publish port %s: %w", at, err)
}

func firstUnprivileged() string {
	data, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return "1024"
	}
	return strings.TrimSpace(string(data))
}
