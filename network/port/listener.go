package port

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
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
	tell   func(event string)
	failed chan string // has an element when the driver has given up: why
}

// Write is the driver's log.
func (l *listener) Write(line []byte) (int, error) {
	if bytes.HasPrefix(line, []byte("accept: ")) || bytes.HasPrefix(line, []byte("Stopping proxy")) {
		select {
		case l.failed <- string(bytes.TrimSpace(line)):
		default:
		}
	}
	return l.log.Write(line)
}

// bind binds the port, or one of those to choose from.
func (l *listener) bind(ctx context.Context, m *spec.PortMapping, o Options) (err error) {
	for number, none := range candidates(*m, o.Last) {
		if none != nil {
			return explain(none, *m)
		}
		l.spec = port.Spec{
			Proto: network(*m), ParentIP: m.HostIP, ParentPort: int(number),
			ChildIP: o.Address.String(), ChildPort: int(m.ContainerPort),
		}
		if err = l.add(ctx); err == nil {
			m.HostPort, m.HostEnd = number, 0
			return nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	asked := *m
	if asked.HostEnd == 0 {
		asked.HostPort = uint16(l.spec.ParentPort)
	}
	return explain(err, asked)
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
	const firstPause, longPause = 100 * time.Millisecond, 5 * time.Second
	for {
		why := ""
		select {
		case <-ctx.Done():
			return
		case why = <-l.failed:
		}
		bound := false
		for pause := firstPause; !bound; pause = min(2*pause, longPause) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			bound = l.unbind() == nil && l.add(ctx) == nil
		}
		l.tell(fmt.Sprintf("the port %d/%s was closed (%s) and is open again", l.spec.ParentPort, strings.TrimRight(l.spec.Proto, "46"), why))
	}
}
