package port

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

const (
	// A forwarder that was killed is looked for again, less and less often: somebody brings one back.
	firstPause, longPause = 10 * time.Millisecond, time.Second
	// closeTimeout is how long a forwarder may take to close the ports.
	closeTimeout = 2 * time.Second
)

// run begins to keep a forwarder informed; one knows already by conn, nil is none. served is told once how it went at first: that there is none at the
// moment is no error.
func (p *Publication) run(conn *os.File, served chan<- error) {
	p.halt, p.done = make(chan struct{}), make(chan struct{})
	go p.keep(conn, served)
}

// keep has a forwarder serve the ports until hangUp or Pause.
func (p *Publication) keep(conn *os.File, served chan<- error) {
	defer close(p.done)
	tell := func(err error) {
		if served != nil {
			served <- err
			served = nil
		}
	}
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		err := p.inform(conn, func() {
			tell(nil)
			pause = firstPause
		})
		conn = nil
		if errors.Is(err, helper.ErrNone) {
			err = nil
		}
		if err != nil && served == nil && !p.ends() {
			p.tell(err.Error())
		}
		tell(err)
		if !p.rest(pause) {
			return
		}
	}
}

// rest pauses; false after hangUp and Pause.
func (p *Publication) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.halt:
		return false
	}
}

// ends says whether hangUp or Pause was called.
func (p *Publication) ends() bool {
	select {
	case <-p.halt:
		return true
	default:
		return false
	}
}

// inform tells the forwarder what to serve, if it does not know by conn, and stays until that ends: with hangUp, or Pause, or the forwarder, or an error of its. served
// is called when it serves everything.
func (p *Publication) inform(conn *os.File, served func()) (err error) {
	knows := conn != nil
	if !knows {
		if conn, err = helper.Ports.Dial(p.options.RunDir); err != nil {
			return err
		}
	}
	if !p.begin(conn) {
		return conn.Close()
	}
	defer func() { err = errors.Join(err, p.end()) }()
	lines := bufio.NewReader(conn)
	if !knows {
		if err := p.introduce(conn, lines); err != nil {
			return err
		}
	}
	served()
	err = p.hear(lines)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pausing && errors.Is(err, os.ErrDeadlineExceeded) {
		p.left, p.conn = conn, nil
	}
	return err
}

// introduce tells a forwarder everything.
func (p *Publication) introduce(conn *os.File, lines *bufio.Reader) error {
	if err := published.Greet(context.Background(), conn); err != nil {
		return err
	}
	at := 0
	for some := range slices.Chunk(p.sockets, published.MaxBatch) {
		if err := p.send(conn, at, some); err != nil {
			return fmt.Errorf("%w: %w", helper.ErrNone, err)
		}
		if err := p.hear(lines); err != nil {
			return err
		}
		at += len(some)
	}
	return nil
}

// send tells of some sockets, from number first on.
func (p *Publication) send(conn *os.File, first int, sockets []*os.File) error {
	batch := published.Batch{Target: p.options.Target}
	for _, m := range p.Mappings[first : first+len(sockets)] {
		batch.Ports = append(batch.Ports, published.Port{Number: m.ContainerPort, Protocol: m.Protocol})
	}
	data, err := json.Marshal(batch)
	if err != nil {
		return err
	}
	return sys.SendFiles(conn, data, append([]*os.File{p.options.NetNS}, sockets...)...)
}

// hear reads up to an answer, and passes events on. The forwarder's end is ErrNone.
func (p *Publication) hear(lines *bufio.Reader) error {
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%w: %w", helper.ErrNone, err)
		}
		event, is := strings.CutPrefix(line, published.Event)
		switch {
		case is:
			p.tell(strings.TrimSpace(event))
		case line == helper.Ready:
			return nil
		default:
			return fmt.Errorf("cannot publish ports: %s", strings.TrimSpace(line))
		}
	}
}

// begin notes a connection, so that hangUp can end it. It is false after that.
func (p *Publication) begin(conn *os.File) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ends() {
		return false
	}
	p.conn = conn
	return true
}

// end closes it, unless it is left.
func (p *Publication) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn := p.conn
	p.conn = nil
	if conn == nil {
		return nil
	}
	return conn.Close()
}

// hangUp has the forwarder close the ports, which then ends the connection.
func (p *Publication) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ends() {
		return
	}
	close(p.halt)
	if p.conn != nil {
		_ = sys.CloseWrite(p.conn) // one that has ended has closed them
		_ = p.conn.SetReadDeadline(time.Now().Add(closeTimeout))
	}
}

// Pause leaves the forwarder alone, which goes on to serve, until Resume, or until Continue in another program that this process executes. forwarder is the connection to
// it, which can be read from when there is something to do. ok is false when there is none just now that serves.
func (p *Publication) Pause() (sockets []*os.File, forwarder *os.File, ok bool) {
	p.mu.Lock()
	p.pausing = true
	close(p.halt)
	if p.conn != nil {
		_ = p.conn.SetReadDeadline(time.Now())
	}
	p.mu.Unlock()
	<-p.done
	return p.sockets, p.left, p.left != nil
}

// Resume is the end of Pause.
func (p *Publication) Resume() {
	conn := p.left
	p.left, p.pausing = nil, false
	if conn != nil {
		_ = conn.SetReadDeadline(time.Time{}) // it was set
	}
	p.run(conn, nil)
}

// Continue goes on with mappings after Pause.
func Continue(o Options, mappings []spec.PortMapping, sockets []*os.File, forwarder *os.File) *Publication {
	p := &Publication{Mappings: mappings, options: o, sockets: sockets, left: forwarder}
	p.Resume()
	return p
}
