package port

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rootless-containers/rootlesskit/v3/pkg/lowlevelmsgutil"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin/msg"

	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/sys"
)

// dialTimeout bounds a dial within the machine: a server whose backlog is full answers nothing.
const dialTimeout = 10 * time.Second

// child is the end of rootlesskit's builtin driver that connects to servers in the container's network
// namespace and hands the sockets to the parent driver. Rootlesskit's own keeps clients' addresses only where
// the programs iptables and ip are found; this one marks its sockets itself and needs nothing, because
// the namespace's routes are made with it.
type child struct {
	netns   *os.File
	gateway netip.Addr
	conns   *net.UnixListener
	wg      sync.WaitGroup
}

// listen takes requests at a unix socket until close.
func (c *child) listen(path string) error {
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	c.conns = ln
	c.wg.Go(func() {
		for {
			conn, err := ln.AcceptUnix()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				time.Sleep(10 * time.Millisecond) // out of descriptors: some come back
				continue
			}
			c.wg.Go(func() { c.answer(conn) })
		}
	})
	return nil
}

func (c *child) close() error {
	err := c.conns.Close()
	c.wg.Wait()
	return err
}

// answer serves one request: the reply is a socket, or the reason why there is none.
func (c *child) answer(conn *net.UnixConn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(dialTimeout))
	var req msg.Request
	if _, err := lowlevelmsgutil.UnmarshalFromReader(conn, &req); err != nil {
		return
	}
	if err := c.connect(conn, &req); err != nil {
		_, _ = lowlevelmsgutil.MarshalToWriter(conn, &msg.Reply{Error: err.Error()})
	}
}

func (c *child) connect(conn *net.UnixConn, req *msg.Request) error {
	var target net.Conn
	err := sys.InNetNS(c.netns, func() (err error) {
		target, err = c.dial(req)
		return err
	})
	if err != nil {
		return err
	}
	defer target.Close()
	raw, err := target.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		_, _, sent = conn.WriteMsgUnix([]byte{0}, sys.Rights(fd), nil)
	})
	return errors.Join(err, sent)
}

// dial connects, as the client where that can be, in the namespace of the calling thread.
func (c *child) dial(req *msg.Request) (net.Conn, error) {
	proto := strings.TrimRight(req.Proto, "46") + "4"
	target := net.JoinHostPort(req.IP, strconv.Itoa(req.Port))
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	if proto == "tcp4" {
		dialer := net.Dialer{LocalAddr: c.source(req), Control: transparent}
		conn, err := dialer.DialContext(ctx, proto, target)
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			return conn, err
		}
	}
	var plain net.Dialer
	return plain.DialContext(ctx, proto, target)
}

// source is the address that the server sees. A client on the host's loopback has none that means the
// same in the container, where it would be trusted like the container itself (CVE-2021-20199): it is the gateway,
// as is a client with IPv6 for now.
func (c *child) source(req *msg.Request) *net.TCPAddr {
	ip, err := netip.ParseAddr(req.SourceIP)
	ip = ip.Unmap()
	if err != nil || ip.IsLoopback() || !ip.Is4() || ip.String() == req.IP {
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.gateway, 0))
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(req.SourcePort)))
}

func transparent(_, _ string, raw syscall.RawConn) error {
	var set error
	err := raw.Control(func(fd uintptr) { set = sys.SetTransparent(fd, published.Mark) })
	return errors.Join(err, set)
}
