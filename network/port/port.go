// Package port publishes ports of containers on the host, for the container's monitor: it binds them, and keeps the user's forwarder, which
// serves them (package forwarder), informed. When the forwarder is killed, clients wait in the sockets until the next one
// has them.
package port

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/spec"
)

// Options say what to publish.
type Options struct {
	published.Ports
	NetNS *os.File           // the container's network namespace; it is used until Close
	Tell  func(event string) // is told when a port can take no connections; nil is nobody
}

// Publication holds published ports open.
type Publication struct {
	// Mappings are those asked for, with the chosen ports in place of 0.
	Mappings []spec.PortMapping

	options Options
	sockets []*os.File    // of Mappings
	halt    chan struct{} // closed so that nobody is informed any more
	done    chan struct{} // closed when that is so

	mu      sync.Mutex
	conn    *os.File // to the forwarder; nil while there is none
	pausing bool
	left    *os.File // what conn was before a pause
}

// Publish binds all ports, or none. When it returns, clients can connect; they wait until the container's server
// answers for about a quarter of a second. Errors are ErrConflict for an address in use, and ErrDenied.
func Publish(ctx context.Context, o Options) (*Publication, error) {
	p := &Publication{Mappings: o.Mappings, options: o}
	if err := p.bind(ctx); err != nil {
		return nil, errors.Join(err, p.release())
	}
	served := make(chan error, 1)
	p.run(nil, served)
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close stops listening. Connections that are open are closed. Closing twice is harmless.
func (p *Publication) Close() error {
	p.hangUp()
	<-p.done
	return p.release()
}

// release closes the sockets: the forwarder has descriptors of its own.
func (p *Publication) release() error {
	var errs []error
	for _, s := range p.sockets {
		if s != nil { // it was not bound any more
			errs = append(errs, s.Close())
		}
	}
	p.sockets = nil
	return errors.Join(errs...)
}

func (p *Publication) tell(event string) {
	if p.options.Tell != nil {
		p.options.Tell(event)
	}
}
