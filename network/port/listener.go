package port

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"syscall"
	"time"

	"github.com/rootless-containers/rootlesskit/v3/pkg/port"

	"github.com/mosscontainers/moss/pkg/spec"
)

// listener is one published port. It has a parent driver of its own, because that gives a port up, for good
// and only in its log, when it cannot accept a connection: a crowd of clients would use up the descriptors
// once and nobody could connect again.
type listener struct {
	driver port.ParentDriver
	spec   port.Spec
	id     int // of the driver; 0 is not bound
	log    io.Writer
	failed chan struct{} // has an element when the driver has given up
}

// Write is the driver's log.
func (l *listener) Write(line []byte) (int, error) {
	if bytes.HasPrefix(line, []byte("accept: ")) || bytes.HasPrefix(line, []byte("Stopping proxy")) {
		select {
		case l.failed <- struct{}{}:
		default:
		}
	}
	return l.log.Write(line)
}

// bind binds the port, and chooses one where none is given.
func (l *listener) bind(ctx context.Context, m *spec.PortMapping, addr netip.Addr) error {
	const tries = 16 // somebody may take a port between our choice and our bind
	chosen := *m
	for try := 0; ; try++ {
		if m.HostPort == 0 {
			free, err := freePort(m.Protocol, m.HostIP)
			if err != nil {
				return explain(err, chosen)
			}
			chosen.HostPort = free
		}
		l.spec = port.Spec{
			Proto: chosen.Protocol, ParentIP: chosen.HostIP, ParentPort: int(chosen.HostPort),
			ChildIP: addr.String(), ChildPort: int(chosen.ContainerPort),
		}
		err := l.add(ctx)
		if err == nil {
			*m = chosen
			return nil
		}
		if m.HostPort != 0 || try == tries || !errors.Is(err, syscall.EADDRINUSE) {
			return explain(err, chosen)
		}
	}
}

func (l *listener) add(ctx context.Context) error {
	status, err := l.driver.AddPort(ctx, l.spec)
	if err == nil {
		l.id = status.ID
	}
	return err
}

func (l *listener) unbind() error {
	if l.id == 0 {
		return nil
	}
	id := l.id
	l.id = 0
	return l.driver.RemovePort(context.Background(), id)
}

// keep binds the port again whenever the driver has given it up, until ctx ends. Connections that were open are
// closed then, which sets free what was short.
func (l *listener) keep(ctx context.Context) {
	const pause = 100 * time.Millisecond
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.failed:
		}
		for bound := false; !bound; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			bound = l.unbind() == nil && l.add(ctx) == nil
		}
	}
}
