package monitor

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/mosscontainers/moss/libpod/monitor/logs"
	"github.com/mosscontainers/moss/pkg/sys"
)

const (
	readSize = 64 << 10 // a pipe holds as much (pipe(7))
	// drainLimit bounds what is read once the container has ended: a process outside of it that was
	// given the pipe could write forever. An unprivileged pipe holds no more.
	drainLimit = 1 << 20
)

// output is where everything that a container writes goes: to its log, then to the clients.
type output struct {
	mu  sync.Mutex   // of one chunk: log and clients see chunks in the same order
	log *logs.Writer // nil without
	hub *hub
	buf []byte
	at  time.Time // of the last chunk
}

// pump is one stream of a container on its way to the output.
type pump struct {
	out    *output
	file   *os.File
	stream logs.Stream
	// before, when not nil, is read first: nobody can tell which of two streams was written to first, but most
	// programs say what they did before they complain.
	before *pump
	done   chan struct{}
	paused bool // valid when done: the stream goes on
}

// pump copies file, which it owns, until its end or drain.
func (o *output) pump(file *os.File, stream logs.Stream, before *pump) *pump {
	p := &pump{out: o, file: file, stream: stream, before: before, paused: true}
	p.resume()
	return p
}

func (p *pump) run() {
	defer close(p.done)
	raw, err := p.file.SyscallConn()
	if err != nil {
		return
	}
	for end := false; !end; {
		err := raw.Read(func(fd uintptr) bool {
			p.before.peek()
			n, again := p.chunk(fd)
			end = n == 0 && !again
			return !again
		})
		if err != nil {
			p.paused = errors.Is(err, os.ErrDeadlineExceeded)
			return
		}
	}
}

// pause stops reading, until resume. paused says then whether there may be more to come.
func (p *pump) pause() {
	if p.file.SetReadDeadline(time.Now()) == nil { // else it has ended
		<-p.done
		_ = p.file.SetReadDeadline(time.Time{})
	}
}

func (p *pump) resume() {
	if p.paused {
		p.paused, p.done = false, make(chan struct{})
		go p.run()
	}
}

// peek passes on what is there already, if anything.
func (p *pump) peek() {
	if p == nil {
		return
	}
	if raw, err := p.file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { p.chunk(fd) }) // one that is closed has nothing
	}
}

// chunk passes on what is there to be read: n bytes; 0 is the end, unless again.
func (p *pump) chunk(fd uintptr) (n int, again bool) {
	o := p.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf == nil {
		o.buf = make([]byte, readSize)
	}
	n, again, _ = sys.ReadNow(fd, o.buf) // an error is an end: EIO of a terminal
	if n > 0 {
		o.write(p.stream, o.buf[:n])
	}
	return n, again
}

// write hands one chunk on. A log that cannot be written (disk full) stops neither the container nor
// those attached to it.
func (o *output) write(stream logs.Stream, chunk []byte) {
	o.at = time.Now()
	if o.log != nil {
		_ = o.log.Write(stream, o.at, chunk)
	}
	kind := byte(kindStdout)
	if stream == logs.Stderr {
		kind = kindStderr
	}
	o.hub.send(kind, chunk)
}

// quiet is for how long nothing was written, and the log owed nothing.
func (o *output) quiet() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.log != nil && !o.log.Whole() {
		return 0
	}
	return time.Since(o.at)
}

// trim frees the buffers of a container that may be idle for long.
func (o *output) trim() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = nil
	if o.log != nil {
		o.log.Trim()
	}
}

// drain passes on all that was written before the container ended. The hub must have been told of the end.
func (p *pump) drain() error {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) {
		for total := 0; total < drainLimit; {
			n, _ := p.chunk(fd)
			if n == 0 {
				return
			}
			total += n
		}
	})
}

// close ends the stream.
func (p *pump) close() {
	p.file.Close() // a pipe or a terminal: nothing is buffered
	<-p.done
}
