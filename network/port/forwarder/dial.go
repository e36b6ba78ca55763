package forwarder

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/sys"
)

// dialTimeout bounds a dial within the machine: a server whose backlog is full answers nothing.
const dialTimeout = 10 * time.Second

// dialer connects to the container's servers. Its sockets are opened by a thread that stays in the container's network namespace:
// to send one there and back takes longer than all the rest of a connection.
type dialer struct {
	ways
	ctx    context.Context // of all dials
	cancel context.CancelFunc
	jobs   chan func()
	thread sync.WaitGroup
}

func newDialer(netns *os.File, to published.Target) (*dialer, error) {
	d := &dialer{ways: waysTo(to), jobs: make(chan func())}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	entered := make(chan error, 1)
	d.thread.Go(func() {
		_ = sys.OnThread(func() error {
			err := sys.Setns(netns, sys.CloneNet)
			entered <- err
			if err != nil {
				return err
			}
			for job := range d.jobs {
				job()
			}
			return nil
		})
	})
	if err := <-entered; err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// close ends the thread. Nobody may dial any more.
func (d *dialer) close() {
	close(d.jobs)
	d.thread.Wait()
}

// inside opens something in the container's namespace.
func inside[T any](d *dialer, open func() (T, error)) (opened T, err error) {
	done := make(chan struct{})
	d.jobs <- func() {
		opened, err = open()
		close(done)
	}
	<-done
	return opened, err
}

// stream connects to a server as the client where that can be. A container that has just started may not listen yet.
func (d *dialer) stream(client netip.AddrPort, number uint16) (conn *net.TCPConn, err error) {
	ctx, cancel := context.WithTimeout(d.ctx, dialTimeout)
	defer cancel()
	ways := d.of(client)
	const tries, pause = 10, 5 * time.Millisecond // 225 ms together
	for i := range tries {
		time.Sleep(time.Duration(i) * pause)
		var refused bool
		for _, w := range ways {
			if conn, err = d.connect(ctx, w.from, netip.AddrPortFrom(w.to, number)); err == nil || ctx.Err() != nil {
				return conn, err
			}
			refused = refused || errors.Is(err, syscall.ECONNREFUSED)
		}
		if !refused {
			break
		}
	}
	return nil, err
}

func (d *dialer) connect(ctx context.Context, from, to netip.AddrPort) (*net.TCPConn, error) {
	socket, err := inside(d, func() (*os.File, error) { return sys.OpenTCP(to.Addr()) })
	if err != nil {
		return nil, err
	}
	if from.IsValid() {
		if err := sys.BindTransparent(socket, from, published.Mark); err != nil {
			return nil, errors.Join(err, socket.Close())
		}
	}
	return sys.ConnectTCP(ctx, socket, to)
}

// datagrams opens a socket whose datagrams come from the container's own address.
func (d *dialer) datagrams(number uint16) (*net.UDPConn, error) {
	return inside(d, func() (*net.UDPConn, error) {
		return net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(d.gateway[0].to, number)))
	})
}
