// Package port publishes ports of containers on the host with rootlesskit's builtin port driver. It runs
// inside the container's monitor: listeners in the host's network namespace, and connections to the container's servers
// from sockets that were opened in the container's.
//
// Servers see the address of a TCP client. Package network prepares the routes for that. Datagrams
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
	"sync"
	"syscall"

	"github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin/opaque"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin/parent"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// Options say what to publish.
type Options struct {
	NetNS    *os.File           // the container's network namespace; it is used until Close
	Address  netip.Addr         // the container's, IPv4
	Gateway  netip.Addr         // stands for clients whose own address cannot be kept
	Mappings []spec.PortMapping // HostPort 0 is "choose one"
	Last     []spec.PortMapping // of an earlier Serve: ports that were chosen then are preferred
	Dir      string             // a directory of the container on a tmpfs, for a socket
	Log      io.Writer          // what goes wrong with single connections; nil is nowhere
	Tell     func(event string) // is told of a port that had to be opened again; nil is nobody
}

// Server holds published ports open.
type Server struct {
	// Mappings are those asked for, with the chosen ports in place of 0.
	Mappings []spec.PortMapping

	listeners []*listener
	child     *child
	dir       *os.File
	paths     []string
	stop      context.CancelFunc // ends the keepers
	keepers   sync.WaitGroup
}

// Serve binds all ports, or none. When it returns, clients can connect; they wait until the container's server
// answers for about a quarter of a second. Errors are ErrConflict for an address in use, and ErrDenied.
func Serve(ctx context.Context, o Options) (_ *Server, err error) {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &Server{Mappings: slices.Clone(o.Mappings), stop: stop}
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	if err := s.open(o); err != nil {
		return nil, fmt.Errorf("cannot publish ports: %w", err)
	}
	for i, l := range s.listeners {
		if err := l.bind(ctx, &s.Mappings[i], o); err != nil {
			return nil, err
		}
		s.keepers.Go(func() { l.keep(serving) })
	}
	return s, nil
}

// open sets both ends of the driver up. They meet at a socket in a directory which is named through its
// descriptor, as the path of a socket has at most 107 bytes (unix(7)).
func (s *Server) open(o Options) (err error) {
	if s.dir, err = os.Open(o.Dir); err != nil {
		return err
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	dir := "/proc/self/fd/" + strconv.Itoa(int(s.dir.Fd()))
	// The pipe is for a child in another process, the socket may be left from one that was killed.
	var socket string
	for range s.Mappings {
		l := &listener{log: o.Log, tell: o.Tell, failed: make(chan string, 1)}
		if l.driver, err = parent.NewDriver(l, dir, true); err != nil {
			return err
		}
		paths := l.driver.OpaqueForChild()
		socket = paths[opaque.SocketPath]
		s.paths = []string{socket, paths[opaque.ChildReadyPipePath]}
		s.listeners = append(s.listeners, l)
	}
	if err := remove(s.paths); err != nil {
		return err
	}
	s.child = &child{netns: o.NetNS, gateway: o.Gateway}
	if err := s.child.listen(socket); err != nil {
		s.child = nil
		return err
	}
	return nil
}

// Close stops listening. Connections that are open are closed. Closing twice is harmless.
func (s *Server) Close() error {
	s.stop()
	s.keepers.Wait()
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.unbind())
	}
	s.listeners = nil
	if s.child != nil {
		errs = append(errs, s.child.close())
		s.child = nil
	}
	if s.dir != nil {
		errs = append(errs, remove(s.paths), s.dir.Close())
		s.dir = nil
	}
	return errors.Join(errs...)
}

// remove removes files that may be missing.
func remove(paths []string) error {
	var errs []error
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
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
	case errors.Is(err, syscall.EADDRINUSE), strings.HasPrefix(err.Error(), "conflict with ID"):
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
