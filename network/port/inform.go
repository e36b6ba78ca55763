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
	"github.com/mosscontainers/moss/pkg/sys"
)

const (
	// A forwarder that was killed is looked for again, less and less often: somebody brings one back.
	firstPause, longPause = 10 * time.Millisecond, time.Second
	// closeTimeout is how long a forwarder may take to close the ports.
	closeTimeout = 2 * time.Second
)

// keep has a forwarder serve the ports until hangUp. served is told once how it went at first: that there is none at the moment is no error.
func (p *Publication) keep(served chan<- error) {
	defer close(p.done)
	tell := func(err error) {
		if served != nil {
			served <- err
			served = nil
		}
	}
	pause := firstPause
	for {
		err := p.inform(func() {
			tell(nil)
			pause = firstPause
		})
		if errors.Is(err, helper.ErrNone) {
			err = nil
		}
		if err != nil && served == nil && !p.closed() {
			p.options.Tell(err.Error())
		}
		tell(err)
		if !p.rest(pause) {
			return
		}
		pause = min(2*pause, longPause)
	}
}

// rest pauses; false after hangUp.
func (p *Publication) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.quit:
		return false
	}
}

func (p *Publication) closed() bool {
	select {
	case <-p.quit:
		return true
	default:
		return false
	}
}

// inform tells the forwarder what to serve, and stays until that ends: with hangUp, or the forwarder, or an error of its. served is called when
// it serves everything.
func (p *Publication) inform(served func()) error {
	conn, err := helper.Ports.Dial(p.options.RunDir)
	if err != nil {
		return err
	}
	defer conn.Close()
	if !p.begin(conn) {
		return nil
	}
	defer p.end()
	if err := published.Greet(context.Background(), conn); err != nil {
		return err
	}
	lines := bufio.NewReader(conn)
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
	served()
	return p.hear(lines)
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
			p.options.Tell(strings.TrimSpace(event))
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
	if p.closed() {
		return false
	}
	p.conn = conn
	return true
}

func (p *Publication) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn = nil
}

// hangUp has the forwarder close the ports, which then ends the connection.
func (p *Publication) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed() {
		return
	}
	close(p.quit)
	if p.conn != nil {
		_ = sys.CloseWrite(p.conn) // one that has ended has closed them
		_ = p.conn.SetReadDeadline(time.Now().Add(closeTimeout))
	}
}
