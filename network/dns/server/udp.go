package server

import (
	"errors"
	"net"
	"time"
)

// What strangers may take of the server at most, all together and each address by itself. What is cut of an answer is asked for again over
// a connection, so there may be as many of these.
const (
	maxForwarded, maxForwardedEach = 256, 64
	maxConns, maxConnsEach         = 256, 64
)

const (
	// maxQuery is the longest query that is read.
	maxQuery = 4096
	// pause is how long the server waits when the kernel has no memory or descriptors for it.
	pause = 10 * time.Millisecond
)

// serveUDP answers datagrams. What is known is answered at once, so that only forwarded queries take memory. A query too many
// is dropped: its client asks again.
func (l *listeners) serveUDP(conn *net.UDPConn) {
	buf := make([]byte, maxQuery)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(pause)
			continue
		}
		send := func(reply []byte) {
			if reply != nil {
				_, _ = conn.WriteToUDPAddrPort(reply, from) // a client that is gone wants no answer
			}
		}
		l.busy()
		q := parse(from.Addr().Unmap(), buf[:n])
		reply, rest := l.resolver.resolve(q)
		if rest == nil {
			send(q.pack(reply, false))
			continue
		}
		if !l.forwards.take(q.asker) {
			continue
		}
		l.owned.Go(func() {
			defer l.forwards.free(q.asker)
			send(q.pack(rest(l.ctx), false))
		})
	}
}
