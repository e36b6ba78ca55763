package silence

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

// ticks is how often the connections are looked at before they are given up. They are counted, and not the time, so that one who was stopped for an
// hour does not take that for silence.
const ticks = 10

// ear knows the connections of some requests, and what each has carried.
type ear struct {
	mu      sync.Mutex
	carried map[net.Conn]uint64
}

// trace has the ear told of connections.
func (e *ear) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.carried == nil {
			e.carried = map[net.Conn]uint64{}
		}
		e.carried[got.Conn] = 0 // it has something new to carry
	}})
}

// listen ends the requests when their connections have been still for long.
func (e *ear) listen(ctx context.Context, wait time.Duration, end context.CancelCauseFunc) {
	tick := time.NewTicker(max(wait/ticks, time.Millisecond))
	defer tick.Stop()
	for still := 0; still < ticks; still++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !e.still() {
			still = -1
		}
	}
	end(&Error{wait})
}

// still says whether no connection has carried anything since the last time, and one of them has nothing that came and was not read: it is not
// we who are slow.
func (e *ear) still() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	moved, awaited := false, false
	for conn, before := range e.carried {
		now, err := trafficOf(conn)
		if err != nil { // it is closed, or no socket
			delete(e.carried, conn)
			continue
		}
		moved = moved || now.Carried != before
		awaited = awaited || now.Unread == 0
		e.carried[conn] = now.Carried
	}
	return awaited && !moved
}

// trafficOf is the traffic below the encryption.
func trafficOf(conn net.Conn) (sys.Traffic, error) {
	for {
		encrypted, ok := conn.(*tls.Conn)
		if !ok {
			break
		}
		conn = encrypted.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return sys.Traffic{}, errors.ErrUnsupported
	}
	return sys.ReadTraffic(socket)
}
