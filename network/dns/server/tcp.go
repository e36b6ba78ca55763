package server

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"
)

// idle is how long a client's connection may go without a query, and how long the client may take to read an answer.
const idle = 10 * time.Second

// serveTCP answers connections.
func (l *listeners) serveTCP(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(pause)
			continue
		}
		asker := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		if !l.conns.take(asker) {
			conn.Close()
			continue
		}
		l.owned.Go(func() {
			defer l.conns.free(asker)
			stop := context.AfterFunc(l.ctx, func() { conn.Close() })
			defer stop()
			defer conn.Close()
			for l.serveOne(conn, asker) == nil {
			}
		})
	}
}

// serveOne answers one query of a connection: each message has its length before it (RFC 1035, 4.2.2).
func (l *listeners) serveOne(conn net.Conn, asker netip.Addr) error {
	if err := conn.SetDeadline(time.Now().Add(idle)); err != nil {
		return err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint16(length[:])
	if size > maxQuery {
		return errors.New("too long a query")
	}
	packet := make([]byte, size)
	if _, err := io.ReadFull(conn, packet); err != nil {
		return err
	}
	l.busy()
	q := parse(asker, packet)
	reply, rest := l.resolver.resolve(q)
	if rest != nil {
		reply = rest(l.ctx)
	}
	answer := q.pack(reply, true)
	if answer == nil {
		return errors.New("nothing to answer")
	}
	if err := conn.SetDeadline(time.Now().Add(idle)); err != nil {
		return err
	}
	_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	return err
}
