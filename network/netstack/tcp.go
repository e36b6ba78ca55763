package netstack

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	// maxConnecting bounds the connections that wait for a server's answer: more are ignored, and tried again by their kernel.
	maxConnecting = 4096
	// keepaliveIdle is when an idle connection is looked after: nobody tells when a container is gone with its namespace.
	keepaliveIdle = 2 * time.Minute
	// What is moved at a time: a little, until somebody has much to say. With the large one a transfer out of the container costs a third
	// less work than with a packet's 64 KB; a connection that waits does not keep it.
	smallBuffer, largeBuffer = 16 << 10, 256 << 10
	// maxRoomy is how many connections may have as much on its way as is good for them. What waits for a reader is in our memory, outside of every
	// container's limit, and a container can open thousands that nobody reads: those beyond have tightWindow in each direction, and small buffers.
	maxRoomy, tightWindow = 64, 64 << 10
)

// streams are the TCP connections.
type streams struct {
	*tcp.Forwarder
	active atomic.Int64 // how many there are, also of those that are being made
}

// newStreams takes new connections: a namespace's is established when the host's is.
func newStreams(s *stack.Stack, out *outside) *streams {
	streams := &streams{}
	buffers := &buffers{
		small: sync.Pool{New: func() any { return new([smallBuffer]byte) }},
		large: sync.Pool{New: func() any { return new([largeBuffer]byte) }},
	}
	streams.Forwarder = tcp.NewForwarder(s, tightWindow, maxConnecting, func(r *tcp.ForwarderRequest) {
		roomy := streams.active.Add(1) <= maxRoomy
		defer streams.active.Add(-1)
		id := r.ID()
		to := out.target(fromAddress(id.LocalAddress, id.LocalPort))
		if !to.IsValid() {
			r.Complete(true)
			return
		}
		host, err := out.dial("tcp", to)
		if err != nil {
			r.Complete(true)
			return
		}
		defer host.Close()
		var queue waiter.Queue
		ep, tcpErr := r.CreateEndpoint(&queue)
		r.Complete(false)
		if tcpErr != nil {
			return
		}
		keepAlive(ep)
		giveRoom(ep, roomy)
		relay(inner{gonet.NewTCPConn(&queue, ep), ep}, outer{host.(*net.TCPConn)}, buffers, roomy)
	})
	return streams
}

func keepAlive(ep tcpip.Endpoint) {
	idle := tcpip.KeepaliveIdleOption(keepaliveIdle)
	_ = ep.SetSockOpt(&idle)
	ep.SocketOptions().SetKeepAlive(true)
}

// giveRoom says how much may be on its way to and from an endpoint, which begins with tightWindow. Where there is room both ways grow.
func giveRoom(ep tcpip.Endpoint, roomy bool) {
	options := ep.SocketOptions()
	if roomy {
		options.SetReceiveBufferSize(tcp.DefaultReceiveBufferSize, false)
		return
	}
	options.SetReceiveBufferSize(tightWindow, true)
	options.SetSendBufferSize(tightWindow, true)
}

// half is a connection that can end in one direction only, or with a reset.
type half interface {
	net.Conn
	CloseWrite() error
	abort()
}

// inner is the namespace's side, outer the host's.
type inner struct {
	*gonet.TCPConn
	endpoint tcpip.Endpoint
}

func (c inner) abort() { c.endpoint.Abort() }

type outer struct{ *net.TCPConn }

func (c outer) abort() {
	_ = c.SetLinger(0) // what is broken already needs no reset
	c.Close()
}

// relay moves what both sides say until both have ended, or one is broken: then so is the other.
func relay(a, b half, buffers *buffers, roomy bool) {
	var wg sync.WaitGroup
	oneWay := func(to, from half) {
		err := buffers.move(to, from, roomy)
		if err == nil {
			err = to.CloseWrite()
		}
		if err != nil {
			a.abort()
			b.abort()
		}
	}
	wg.Go(func() { oneWay(a, b) })
	oneWay(b, a)
	wg.Wait()
	a.Close()
}

// buffers are those of connections that move something.
type buffers struct{ small, large sync.Pool }

// move copies until the end of from.
func (b *buffers) move(to io.Writer, from io.Reader, roomy bool) error {
	for {
		err := lend(&b.small, func(buf *[smallBuffer]byte) error {
			return copyWhile(to, from, buf[:], func(n int) bool { return n < smallBuffer })
		})
		if err == nil && roomy {
			err = lend(&b.large, func(buf *[largeBuffer]byte) error {
				return copyWhile(to, from, buf[:], func(n int) bool { return n >= smallBuffer })
			})
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// lend has fn use a buffer of a pool.
func lend[Buffer any](pool *sync.Pool, fn func(*Buffer) error) error {
	buf := pool.Get().(*Buffer)
	defer pool.Put(buf)
	return fn(buf)
}

// copyWhile copies for as long as what comes at a time is of a size. The end of from is io.EOF.
func copyWhile(to io.Writer, from io.Reader, buf []byte, fits func(n int) bool) error {
	for n := 0; ; {
		var err error
		if n, err = from.Read(buf); n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil || !fits(n) {
			return err
		}
	}
}
