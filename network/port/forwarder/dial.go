package forwarder

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/sys"
)

// dialTimeout bounds a dial within the machine: a server whose backlog is full answers nothing.
const dialTimeout = 10 * time.Second

// dialer connects to the container's servers, by sockets that are opened in the container's network namespace.
type dialer struct {
	ways
	*helper.Visitor
	ctx    context.Context // of all dials
	cancel context.CancelFunc
}

func newDialer(netns *os.File, to published.Target) (*dialer, error) {
	v, err := helper.Visit(netns)
	if err != nil {
		return nil, err
	}
	d := &dialer{ways: waysTo(to), Visitor: v}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d, nil
}

// stream connects to a server as the client where that can be. A container that has just started may not listen yet.
func (d *dialer) stream(client netip.AddrPort, number uint16) (conn *net.TCPConn, err error) {
	ctx, cancel := context.WithTimeout(d.ctx, dialTimeout)
	defer cancel()
	ways := d.of(client)
	const tries, pause = 10, 5 * time.Millisecond // 225 ms together
	for i := range tries {
		time.Sleep(time.Duration(i) * pause)
		var refused []netip.Addr
		for n, w := range ways {
			if slices.Contains(refused, w.to) {
				continue
			}
			conn, err = d.connect(ctx, w.from, netip.AddrPortFrom(w.to, number))
			if err == nil && n > 0 && slices.Contains(refused, ways[0].to) {
				conn = d.better(ctx, ways[0], number, conn)
			}
			if err == nil || ctx.Err() != nil {
				return conn, err
			}
			if errors.Is(err, syscall.ECONNREFUSED) {
				refused = append(refused, w.to)
			}
		}
		if len(refused) == 0 {
			break
		}
	}
	return nil, err
}

// better tries the best way once more when another one has led to a server: it may have begun to listen in between, and is to see the client.
func (d *dialer) better(ctx context.Context, best way, number uint16, conn *net.TCPConn) *net.TCPConn {
	again, err := d.connect(ctx, best.from, netip.AddrPortFrom(best.to, number))
	if err != nil {
		return conn
	}
	_ = conn.Close() // nothing was said
	return again
}

func (d *dialer) connect(ctx context.Context, from, to netip.AddrPort) (*net.TCPConn, error) {
	var socket *os.File
	var err error
	if d.Do(func() { socket, err = sys.OpenTCP(to.Addr()) }); err != nil {
		return nil, err
	}
	if from.IsValid() {
		if err := sys.BindTransparent(socket, from, published.Mark); err != nil {
			return nil, errors.Join(err, socket.Close())
		}
	}
	return sys.ConnectTCP(ctx, socket, to)
}

// datagrams opens a socket whose datagrams come from the container's own address. They have the mark by which they are kept from one that is on no network.
func (d *dialer) datagrams(number uint16) (conn *net.UDPConn, err error) {
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error { return sys.Mark(c, published.Mark) }}
	d.Do(func() {
		var got net.Conn
		if got, err = dialer.DialContext(d.ctx, "udp", netip.AddrPortFrom(d.gateway[0].to, number).String()); err == nil {
			conn = got.(*net.UDPConn)
		}
	})
	return conn, err
}
