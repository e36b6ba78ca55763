package forwarder

import (
	"errors"
	"net"
	"sync"

	"github.com/mosscontainers/moss/pkg/sys"
)

// mover moves what connections have to say, all of a server's in one goroutine. It asks for what each of them waits for, where the runtime
// would be woken up for whatever happens to it: with 32 streams, a fifth of the time went there.
type mover struct {
	poll  *sys.Poll
	owned sync.WaitGroup

	mu    sync.Mutex
	pairs map[uint64]*pair // nil when closed
	last  uint64
	pipes pipes // the goroutine's
}

// pair is a client's connection and the one to the server. halves[i] is what comes from side i.
type pair struct {
	sides  [2]sys.Socket
	halves [2]half
	asked  [2]wish
}

// wish is what is waited for at a side.
type wish struct{ in, out bool }

func newMover() (*mover, error) {
	poll, err := sys.NewPoll()
	if err != nil {
		return nil, err
	}
	m := &mover{poll: poll, pairs: map[uint64]*pair{}}
	m.owned.Go(m.move)
	return m, nil
}

// take moves on what both connections say, by descriptors of its own.
func (m *mover) take(client, server *net.TCPConn) error {
	a, err := sys.SocketOf(client)
	if err != nil {
		return err
	}
	b, err := sys.SocketOf(server)
	if err != nil {
		return errors.Join(err, a.Close())
	}
	p := &pair{sides: [2]sys.Socket{a, b}, halves: [2]half{{from: a, to: b}, {from: b, to: a}}}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pairs == nil {
		return errors.Join(net.ErrClosed, p.close())
	}
	m.last++
	m.pairs[m.last] = p
	if err := p.ask(m.poll, m.last); err != nil {
		delete(m.pairs, m.last)
		return errors.Join(err, p.close())
	}
	return nil
}

func (m *mover) move() {
	var list []sys.Ready
	for {
		var err error
		if list, err = m.poll.Wait(list[:0]); err != nil {
			return
		}
		for _, r := range list {
			m.serve(r)
		}
	}
}

// serve does what a side is ready for.
func (m *mover) serve(r sys.Ready) {
	key, side := r.Key>>1, r.Key&1
	m.mu.Lock()
	p := m.pairs[key]
	m.mu.Unlock()
	if p == nil { // it ended a moment ago
		return
	}
	if h := &p.halves[side]; r.In && h.waitsIn() {
		h.fill(&m.pipes)
	}
	if h := &p.halves[1-side]; r.Out && h.waitsOut() {
		h.drain(&m.pipes)
	}
	if p.halves[0].done && p.halves[1].done || p.ask(m.poll, key) != nil {
		m.forget(key, p)
	}
}

func (m *mover) forget(key uint64, p *pair) {
	m.mu.Lock()
	delete(m.pairs, key)
	m.mu.Unlock()
	m.end(p)
}

func (m *mover) end(p *pair) {
	for i := range p.halves {
		p.halves[i].release(&m.pipes)
	}
	_ = p.close() // all is said
}

// close ends all connections.
func (m *mover) close() {
	_ = m.poll.Close()
	m.owned.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.pairs {
		m.end(p)
	}
	m.pairs = nil
	m.pipes.close()
}

// ask waits for what the halves wait for, and no more: a side that failed would be ready for ever.
func (p *pair) ask(poll *sys.Poll, key uint64) error {
	for i, socket := range p.sides {
		was, want := p.asked[i], wish{in: p.halves[i].waitsIn(), out: p.halves[1-i].waitsOut()}
		if was == want {
			continue
		}
		if err := poll.Watch(socket.FD(), key<<1|uint64(i), was != wish{}, want.in, want.out); err != nil {
			return err
		}
		p.asked[i] = want
	}
	return nil
}

func (p *pair) close() error { return errors.Join(p.sides[0].Close(), p.sides[1].Close()) }
