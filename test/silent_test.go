package test

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// startSilent answers|takes BYTES: a way to $REGISTRY that keeps each connection and falls silent on it: after so many bytes of answers, or when it has
// taken so many bytes from the client. SILENT is its address.
func startSilent(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || args[0] != "answers" && args[0] != "takes" {
		ts.Fatalf("usage: silent answers|takes BYTES")
	}
	after, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ctx, end := context.WithCancel(context.Background())
	s := &silent{to: ts.Getenv("REGISTRY"), answers: args[0] == "answers", after: after, script: ctx}
	s.running.Go(func() { s.serve(listener) })
	ts.Defer(func() {
		end()
		_ = listener.Close()
		s.running.Wait()
	})
	ts.Setenv("SILENT", listener.Addr().String())
}

// silent passes connections on.
type silent struct {
	to      string
	answers bool // its answers end, and else what it takes
	after   int64
	script  context.Context
	running sync.WaitGroup
}

func (s *silent) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s.running.Go(func() { s.pass(conn) })
	}
}

// handshake is the first byte of TLS, which the registry does not speak, and which clients try first and for long.
const handshake = 0x16

// pass passes what is sent in both directions, one of them as far as it goes, and keeps the connection until the script's end.
func (s *silent) pass(conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(s.script, func() { _ = conn.Close() })()
	begin := make([]byte, 1)
	if _, err := io.ReadFull(conn, begin); err != nil || begin[0] == handshake {
		return
	}
	server, err := net.Dial("tcp", s.to)
	if err != nil {
		return
	}
	defer server.Close()
	defer context.AfterFunc(s.script, func() { _ = server.Close() })()
	if _, err := server.Write(begin); err != nil {
		return
	}
	endless, ending := [2]net.Conn{server, conn}, [2]net.Conn{conn, server} // to, from
	if !s.answers {
		endless, ending = ending, endless
	}
	s.running.Go(func() { _, _ = io.Copy(endless[0], endless[1]) }) // ends when one of both is closed
	_, _ = io.CopyN(ending[0], ending[1], s.after)
	<-s.script.Done()
}
