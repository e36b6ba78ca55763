package monitor

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/pkg/term"
)

// ErrMonitorGone is how an attached client learns that the monitor ended without telling an exit code:
// it was killed, or the container ended while the client connected. The record or the exit file may
// know more.
var ErrMonitorGone = errors.New("the container's monitor is gone")

// Streams are the client's side of an attached container. A nil one is not attached.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// AttachOptions say how a client behaves.
type AttachOptions struct {
	// DetachKeys end the connection and leave the container running: term.ParseDetachKeys. Nil has none.
	DetachKeys []byte
	// Console, when not nil, is the client's terminal: the container's follows its size.
	Console *os.File
}

// Pair makes a connection for a client that is there from the first byte on: conn is for Attach, files
// goes into Files.Attach and is then closed by the caller.
func Pair() (conn, files *os.File, err error) {
	a, b, err := sys.SocketPair()
	if err != nil {
		return nil, nil, err
	}
	conn, err = sys.Pollable(a)
	if err = errors.Join(err, a.Close()); err != nil {
		return nil, nil, errors.Join(err, b.Close())
	}
	return conn, b, nil
}

// Dial connects to the monitor of the container with this run directory. errdefs.ErrConflict: it does
// not run.
func Dial(runDir string) (*os.File, error) {
	conn, err := sys.DialUnix(runDir, "attach")
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot attach: the container does not run")
	}
	return conn, err
}

// Listening is the monitor of the container with this run directory, whatever is written there: who listens for clients.
func Listening(runDir string) (sys.Process, error) {
	conn, err := Dial(runDir)
	if err != nil {
		return sys.Process{}, err
	}
	defer conn.Close()
	pid, err := sys.PeerPid(conn)
	if err != nil {
		return sys.Process{}, err
	}
	return sys.Identify(pid)
}

// Attach joins the streams to a container until it ends or the detach keys are typed; it closes conn.
// All output that the container wrote before it ended has been written when it returns. An error of
// Out or Err ends it. A Read of In that is under way when the container ends is not waited for: nothing
// can interrupt one of a terminal.
func Attach(ctx context.Context, conn *os.File, streams Streams, o AttachOptions) (code int, detached bool, err error) {
	c := &client{conn: conn}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer func() {
		stop()
		if closeErr := conn.Close(); err == nil && !errors.Is(closeErr, os.ErrClosed) {
			err = closeErr
		}
	}()
	if o.Console != nil {
		defer term.Resizes(o.Console, func(rows, cols uint16) { _ = c.send(resizeFrame(rows, cols)) })()
	}
	if streams.In != nil {
		go c.copyInput(term.DetachReader(streams.In, o.DetachKeys))
	}
	code, err = c.copyOutput(streams)
	if c.hasDetached() {
		return 0, true, nil
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return code, false, err
}

// client is one attached connection, seen from the client.
type client struct {
	conn     *os.File
	mu       sync.Mutex // of writes, and of what follows
	detached bool
}

func (c *client) send(frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.conn.Write(frame)
	return err
}

func (c *client) hasDetached() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.detached
}

func (c *client) detach() {
	c.mu.Lock()
	c.detached = true // before the monitor hears of it, whose answer is to hang up
	c.mu.Unlock()
	_ = c.send(appendHeader(nil, kindDetach, 0)) // a monitor that is gone needs no goodbye
	c.conn.Close()
}

// copyInput sends what is typed. It owns nothing but its own buffer, so nobody has to wait for it.
func (c *client) copyInput(in io.Reader) {
	buf := make([]byte, headerSize+32<<10)
	for {
		n, err := in.Read(buf[headerSize:])
		if n > 0 {
			appendHeader(buf[:0], kindStdin, n)
			if c.send(buf[:headerSize+n]) != nil {
				return
			}
		}
		switch {
		case term.IsDetach(err):
			c.detach()
			return
		case err != nil:
			_ = c.send(appendHeader(nil, kindStdinEOF, 0)) // fails only when output ends too
			return
		}
	}
}

// copyOutput writes what the container wrote, until its exit code comes.
func (c *client) copyOutput(streams Streams) (int, error) {
	in := bufio.NewReaderSize(c.conn, 64<<10)
	var buf []byte
	for {
		kind, payload, err := readFrame(in, &buf)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
			return 0, ErrMonitorGone
		}
		if err != nil {
			return 0, fmt.Errorf("cannot read from the container's monitor: %w", err)
		}
		var w io.Writer
		switch kind {
		case kindStdout:
			w = streams.Out
		case kindStderr:
			w = streams.Err
		case kindExit:
			if len(payload) == 4 {
				return int(int32(binary.BigEndian.Uint32(payload))), nil
			}
		}
		if w == nil {
			continue
		}
		if _, err := w.Write(payload); err != nil {
			return 0, err
		}
	}
}
