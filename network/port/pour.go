package port

import (
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/mosscontainers/moss/pkg/sys"
)

const (
	// pipeSize is what is moved at a time, in bytes. A user may have 64 MB of pipes before all that come are tiny (pipe(7)).
	pipeSize = 256 << 10
	// sparePipes is how many are kept for whoever moves something next.
	sparePipes = 8
)

// pipes are what bytes are moved through. A connection has one only while it moves something: io.Copy has one for each direction for as
// long as it lasts, and 33 connections of a user took all that there are.
type pipes struct {
	mu     sync.Mutex
	spare  []*sys.SplicePipe
	closed bool
}

func (p *pipes) get() (*sys.SplicePipe, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.spare) - 1; last >= 0 {
		pipe := p.spare[last]
		p.spare = p.spare[:last]
		return pipe, nil
	}
	return sys.NewSplicePipe(pipeSize)
}

// put takes an empty pipe back.
func (p *pipes) put(pipe *sys.SplicePipe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.spare) == sparePipes {
		_ = pipe.Close() // nothing is in it
		return
	}
	p.spare = append(p.spare, pipe)
}

func (p *pipes) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, pipe := range p.spare {
		_ = pipe.Close()
	}
	p.spare = nil
}

// pour moves bytes until the source ends, within the kernel. What goes wrong with one end is for the other to see: there is
// nobody else to tell.
func (p *pipes) pour(to, from *net.TCPConn) {
	if err := p.copy(to, from); err != nil {
		_ = from.CloseRead()
	}
	_ = to.CloseWrite()
}

func (p *pipes) copy(to, from *net.TCPConn) error {
	source, err := from.SyscallConn()
	if err != nil {
		return err
	}
	target, err := to.SyscallConn()
	if err != nil {
		return err
	}
	for err == nil {
		err = p.move(target, source)
	}
	if err == io.EOF { //nolint:errorlint // it is move's own
		return nil
	}
	return err
}

// move moves what the source has, when it has something; io.EOF is its end.
func (p *pipes) move(target, source syscall.RawConn) error {
	pipe, n, err := p.fill(source)
	if err != nil {
		return err
	}
	for n > 0 && err == nil {
		var moved int
		waitErr := target.Write(func(fd uintptr) (ok bool) {
			moved, ok, err = pipe.Drain(fd, n)
			return ok
		})
		if err == nil {
			err = waitErr
		}
		n -= moved
	}
	if n > 0 {
		_ = pipe.Close() // with what nobody takes any more
		return err
	}
	p.put(pipe)
	return err
}

// fill waits until the source has something, and takes it into a pipe.
func (p *pipes) fill(source syscall.RawConn) (pipe *sys.SplicePipe, n int, err error) {
	waitErr := source.Read(func(fd uintptr) (ok bool) {
		if pipe, err = p.get(); err != nil {
			return true
		}
		if n, ok, err = pipe.Fill(fd); n == 0 {
			p.put(pipe)
		}
		return ok
	})
	switch {
	case err != nil:
		return nil, 0, err
	case waitErr != nil:
		return nil, 0, waitErr
	case n == 0:
		return nil, 0, io.EOF
	}
	return pipe, n, nil
}
