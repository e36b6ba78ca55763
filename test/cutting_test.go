package test

import (
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"
)

// startCutting BYTES TOTAL: a way to $REGISTRY that cuts each connection after BYTES of answers, and lets none through any
// more after TOTAL. CUTTING is its address.
func startCutting(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cutting BYTES TOTAL")
	}
	each, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	total, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	c := &cutting{to: ts.Getenv("REGISTRY"), each: each, left: &atomic.Int64{}}
	c.left.Store(total)
	c.running.Go(func() { c.serve(listener) })
	ts.Defer(func() {
		_ = listener.Close()
		c.running.Wait()
	})
	ts.Setenv("CUTTING", listener.Addr().String())
}

// cutting passes connections on.
type cutting struct {
	to      string
	each    int64
	left    *atomic.Int64
	running sync.WaitGroup
}

func (c *cutting) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		c.running.Go(func() { c.pass(conn) })
	}
}

func (c *cutting) pass(conn net.Conn) {
	defer conn.Close()
	if c.left.Load() <= 0 {
		return
	}
	server, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer server.Close()
	c.running.Go(func() {
		_, _ = io.Copy(server, conn) // ends when one of both is closed
		_ = server.Close()
	})
	n, _ := io.CopyN(conn, server, c.each)
	c.left.Add(-n)
}
