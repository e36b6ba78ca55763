package monitor

import (
	"os"
	"sync"

	"github.com/mosscontainers/moss/pkg/sys"
)

// highWater is how much output may wait for a client before the container has to.
const highWater = 256 << 10

// hub passes output on to the attached clients.
type hub struct {
	mu      sync.Mutex
	moved   sync.Cond // a client read, came or went; or the hub ended
	members map[*member]bool
	ended   bool // the container has: nothing waits for slow clients any more
	last    []byte
	writers sync.WaitGroup
}

// member is one attached connection, seen from the monitor.
type member struct {
	conn    *os.File
	pending []byte // frames to be written
	writing bool   // serve is at it
	closing bool   // nothing will be added
}

func newHub() *hub {
	h := &hub{members: map[*member]bool{}}
	h.moved.L = &h.mu
	return h
}

// add begins to pass output to a connection; after the end it only gets the exit code.
func (h *hub) add(conn *os.File) *member {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := &member{conn: conn, pending: h.last, closing: h.last != nil}
	h.members[m] = true
	h.writers.Add(1)
	go h.serve(m)
	return m
}

// empty says that there are no clients.
func (h *hub) empty() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.members) == 0
}

// drop forgets a client that left.
func (h *hub) drop(m *member) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.members[m] {
		delete(h.members, m)
		m.conn.Close() // the peer is gone: nothing to lose
		h.moved.Broadcast()
	}
}

// send gives one frame to every client and waits for those that are slow.
func (h *hub) send(kind byte, payload []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for m := range h.members {
		for h.members[m] && !h.ended && len(m.pending) > highWater {
			h.moved.Wait()
		}
		if h.members[m] && !m.closing {
			m.pending = append(appendHeader(m.pending, kind, len(payload)), payload...)
		}
	}
	h.moved.Broadcast()
}

// end stops waiting for slow clients: what is still to come is bounded.
func (h *hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	h.moved.Broadcast()
}

// resume undoes end, for the next life.
func (h *hub) resume() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = false
}

// finish sends the last frame to everybody, now and later.
func (h *hub) finish(frame []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = frame
	for m := range h.members {
		m.closing = true
		// At once where that is possible: somebody waits, and waking serve takes longer than all the rest.
		if m.writing || len(m.pending) > 0 || !sys.WriteNow(m.conn, frame) {
			m.pending = append(m.pending, frame...)
		}
	}
	h.moved.Broadcast()
}

// wait returns once every client that is there has everything, or is gone.
func (h *hub) wait() { h.writers.Wait() }

// serve writes to one client, in batches as large as it lets them become.
func (h *hub) serve(m *member) {
	defer h.writers.Done()
	var batch []byte
	for {
		h.mu.Lock()
		for h.members[m] && len(m.pending) == 0 && !m.closing {
			h.moved.Wait()
		}
		if !h.members[m] || len(m.pending) == 0 {
			h.mu.Unlock()
			break
		}
		batch, m.pending, m.writing = m.pending, batch[:0], true
		h.moved.Broadcast()
		h.mu.Unlock()
		if _, err := m.conn.Write(batch); err != nil {
			break
		}
		h.mu.Lock()
		m.writing = false
		h.mu.Unlock()
	}
	h.drop(m)
}
