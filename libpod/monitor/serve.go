package monitor

import (
	"bufio"
	"encoding/binary"
	"os"
	"sync"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

// server accepts clients and passes on what they type.
type server struct {
	hub      *hub
	in       *input
	listener *os.File
	accept   sync.WaitGroup
	kept     terminals
}

// listen serves RUNDIR/attach until close.
func (s *server) listen(runDir string) error {
	if err := remove(runDir + "/attach"); err != nil {
		return err
	}
	listener, err := sys.ListenUnix(runDir, "attach")
	if err != nil {
		return err
	}
	s.listener = listener
	s.welcome()
	return nil
}

// welcome takes clients until close, or pause. When it returns those are there who waited.
func (s *server) welcome() {
	for conn := sys.AcceptWaiting(s.listener); conn != nil; conn = sys.AcceptWaiting(s.listener) {
		s.serve(conn, false)
	}
	s.accept.Go(func() {
		for {
			conn, err := sys.Accept(s.listener)
			if err != nil {
				return
			}
			s.serve(conn, false)
		}
	})
}

// pause has clients wait for a welcome.
func (s *server) pause() {
	if s.listener.SetReadDeadline(time.Now()) == nil {
		s.accept.Wait()
		_ = s.listener.SetReadDeadline(time.Time{})
	}
}

// alone says that there are no clients, and no terminals of some who left.
func (s *server) alone() bool { return s.hub.empty() && s.kept.empty() }

// close takes no more clients; those that are there stay. Terminals are kept no longer.
func (s *server) close() error {
	err := s.listener.Close()
	s.accept.Wait()
	s.kept.close()
	return err
}

// serve begins to serve a client; the hub owns the connection, and closing it ends the reader. owner
// says that the end of this client is the end of input.
func (s *server) serve(conn *os.File, owner bool) {
	m := s.hub.add(conn)
	s.hub.writers.Add(1)
	go func() {
		defer s.hub.writers.Done()
		s.read(m, owner)
		s.hub.drop(m)
	}()
}

// read handles a client's frames until it leaves or breaks the protocol.
func (s *server) read(m *member, owner bool) {
	from := &receiver{conn: m.conn}
	defer from.close()
	in := bufio.NewReaderSize(from, 4<<10)
	var buf []byte
	for {
		kind, payload, err := readFrame(in, &buf)
		if err != nil || kind == kindDetach {
			if owner && kind != kindDetach {
				s.in.eof()
			}
			return
		}
		switch {
		case kind == kindStdin:
			owner = true
			s.in.write(payload)
		case kind == kindStdinEOF:
			owner = false
			s.in.eof()
		case kind == kindResize && len(payload) == 4:
			s.in.resize(binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:]))
		case kind == kindTerminal:
			s.kept.keep(from.take())
			return
		}
	}
}
