package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/mosscontainers/moss/pkg/sys"
)

// KeepTerminal hands the master side of a terminal over to the monitor at the other end of conn (Dial), which it
// closes: what runs on the terminal is not hung up when the caller ends, and nothing that it writes makes it wait.
func KeepTerminal(ctx context.Context, conn, master *os.File) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	err := sys.SendFile(conn, appendHeader(nil, kindTerminal, 0), master)
	if err == nil {
		// The monitor hangs up once it has the terminal. Output that comes before is for others.
		_, err = io.Copy(io.Discard, conn)
	}
	if errors.Is(err, syscall.ECONNRESET) {
		err = nil
	}
	if closeErr := conn.Close(); err == nil && !errors.Is(closeErr, os.ErrClosed) {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("cannot hand the terminal over to the container's monitor: %w", err)
	}
	return nil
}

// terminals are those of commands whose callers left. They are kept open, and what is written to them is read and
// lost, until nobody has them open any more. The zero value has none.
type terminals struct {
	mu      sync.Mutex
	closed  bool
	open    map[*os.File]bool
	readers sync.WaitGroup
}

// keep takes over the master side of a terminal; nil is none.
func (t *terminals) keep(received *os.File) {
	if received == nil {
		return
	}
	defer received.Close()
	master, err := sys.Pollable(received) // a close must end the read
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		master.Close()
		return
	}
	if t.open == nil {
		t.open = map[*os.File]bool{}
	}
	t.open[master] = true
	t.readers.Go(func() {
		_, _ = io.Copy(io.Discard, master) // EIO is how a terminal ends
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.open, master)
		master.Close() // nothing is buffered
	})
}

func (t *terminals) empty() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open) == 0
}

// close hangs up what still runs on a terminal.
func (t *terminals) close() {
	t.mu.Lock()
	t.closed = true
	for master := range t.open {
		master.Close()
	}
	t.mu.Unlock()
	t.readers.Wait()
}

// receiver reads a client's bytes and takes the descriptor that may come with them.
type receiver struct {
	conn *os.File
	file *os.File
}

func (r *receiver) Read(p []byte) (int, error) {
	n, files, err := sys.ReceiveFiles(r.conn, p)
	for _, file := range files {
		closeAll(r.file)
		r.file = file
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// take hands over the descriptor that came last, nil when none did.
func (r *receiver) take() *os.File {
	file := r.file
	r.file = nil
	return file
}

func (r *receiver) close() { closeAll(r.file) }
