package forwarder

import (
	"container/list"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

const (
	// maxSpeakers is how many clients a port has at most: who speaks from ever new ports, or in the name of others, takes the place of those that have been silent
	// for longest, and no memory without end.
	maxSpeakers = 4096
	// silence is how long a client is remembered that nobody has spoken to or heard of.
	silence = 90 * time.Second
	// maxDatagram is the longest, in bytes.
	maxDatagram = 1 << 16
)

// datagrams serves one UDP port. Each client has a socket of its own in the container, so that answers find back to it.
type datagrams struct {
	conn   *net.UDPConn
	dialer *dialer
	to     uint16 // the container's port
	tell   func(event string)
	owned  sync.WaitGroup
	// buffers are for answers. Who waits for one has none.
	buffers sync.Pool

	mu       sync.Mutex
	speakers map[speaker]*conversation // nil when closed
	recent   list.List                 // of them, the last one that was heard of first
}

// speaker is who speaks, and to which address of the machine: its answers come from there.
type speaker struct {
	from netip.AddrPort
	to   netip.Addr
}

// conversation is what a speaker has in the container.
type conversation struct {
	speaker
	server *net.UDPConn
	place  *list.Element
}

func serveDatagrams(conn *net.UDPConn, d *dialer, to uint16, tell func(event string)) (*datagrams, error) {
	if err := sys.TellDestination(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s := &datagrams{conn: conn, dialer: d, to: to, tell: tell, speakers: map[speaker]*conversation{}}
	s.buffers.New = func() any { return new([maxDatagram]byte) }
	s.owned.Go(s.receive)
	return s, nil
}

// receive passes on what comes, until the port is closed.
func (s *datagrams) receive() {
	data, control := make([]byte, maxDatagram), make([]byte, sys.DestinationSpace)
	for short := false; ; {
		n, controls, _, from, err := s.conn.ReadMsgUDPAddrPort(data, control)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			err = s.pass(speaker{from, sys.Destination(control[:controls])}, data[:n])
		} else {
			time.Sleep(pause)
		}
		if err != nil && !short && !errors.Is(err, net.ErrClosed) {
			s.tell(fmt.Sprintf("the port %s/udp takes nothing from new clients for a while: %v", s.conn.LocalAddr(), err))
		}
		short = err != nil
	}
}

// pass passes a datagram on. Whether it arrives is not known, as ever; an error says that it cannot.
func (s *datagrams) pass(from speaker, data []byte) error {
	c, err := s.conversation(from)
	if err != nil {
		return err
	}
	_, err = c.server.Write(data)
	if errors.Is(err, syscall.ECONNREFUSED) { // which is what became of the one before
		_, _ = c.server.Write(data)
	}
	return nil
}

// conversation is a speaker's, which is begun where there is none.
func (s *datagrams) conversation(from speaker) (*conversation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := s.speakers[from]
	if known {
		s.recent.MoveToFront(c.place)
		return c, c.server.SetReadDeadline(time.Now().Add(silence))
	}
	if s.speakers == nil {
		return nil, net.ErrClosed
	}
	if len(s.speakers) >= maxSpeakers {
		s.drop(s.recent.Back().Value.(*conversation))
	}
	server, err := s.dialer.datagrams(s.to)
	if err != nil && s.recent.Len() > 0 { // there are no descriptors left: the next one finds that of another
		s.drop(s.recent.Back().Value.(*conversation))
	}
	if err != nil {
		return nil, err
	}
	c = &conversation{speaker: from, server: server}
	c.place = s.recent.PushFront(c)
	s.speakers[from] = c
	s.owned.Go(func() { s.answer(c) })
	return c, server.SetReadDeadline(time.Now().Add(silence))
}

// drop ends a conversation. The caller holds the lock.
func (s *datagrams) drop(c *conversation) {
	if s.speakers[c.speaker] == c {
		delete(s.speakers, c.speaker)
		s.recent.Remove(c.place)
	}
	_ = c.server.Close()
}

// answer passes on what the server says, until nobody has said anything for long.
func (s *datagrams) answer(c *conversation) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.drop(c)
	}()
	raw, err := c.server.SyscallConn()
	if err != nil {
		return
	}
	source := sys.SentFrom(c.to)
	for err == nil || errors.Is(err, syscall.ECONNREFUSED) { // nobody listens yet
		var said error
		err = raw.Read(func(fd uintptr) bool {
			buf := s.buffers.Get().(*[maxDatagram]byte)
			defer s.buffers.Put(buf)
			n, again, readErr := sys.ReadNow(fd, buf[:])
			if said = readErr; said == nil {
				s.say(buf[:n], source, c.from)
			}
			return !again
		})
		if err == nil {
			err = said
		}
		if said == nil && err == nil {
			err = c.server.SetReadDeadline(time.Now().Add(silence))
		}
	}
}

// say says something to a client, from the address to which it spoke; from another where that was everybody's.
func (s *datagrams) say(data, source []byte, to netip.AddrPort) {
	if _, _, err := s.conn.WriteMsgUDPAddrPort(data, source, to); err != nil {
		_, _ = s.conn.WriteToUDPAddrPort(data, to) // one who is gone wants no answer
	}
}

func (s *datagrams) close() {
	_ = s.conn.Close()
	s.mu.Lock()
	for _, c := range s.speakers {
		_ = c.server.Close()
	}
	s.speakers = nil
	s.mu.Unlock()
	s.owned.Wait()
}
