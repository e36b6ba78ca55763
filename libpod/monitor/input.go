package monitor

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"github.com/mosscontainers/moss/pkg/sys"
)

// input is the write side of a container's standard input.
type input struct {
	mu       sync.Mutex
	file     *os.File // nil: closed, or /dev/null
	terminal bool
	once     bool
	// A client may tell its terminal's size before there is a terminal.
	rows, cols uint16
}

func (in *input) set(file *os.File) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.file = file
	in.applySize()
}

// write passes on what a client typed. What nobody reads any more is lost, as in a pipe.
func (in *input) write(p []byte) {
	in.mu.Lock()
	file := in.file
	in.mu.Unlock()
	if file == nil {
		return
	}
	if _, err := file.Write(p); errors.Is(err, syscall.EPIPE) {
		in.close()
	}
}

// eof ends the input for the container where that is wanted.
func (in *input) eof() {
	if !in.once {
		return
	}
	if !in.terminal {
		in.close()
		return
	}
	in.mu.Lock()
	file := in.file
	in.mu.Unlock()
	if file == nil {
		return
	}
	if char, ok := sys.TTYEOF(file); ok {
		in.write([]byte{char})
	}
}

// left is what a nap has to keep.
func (in *input) left() (file *os.File, rows, cols uint16) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.file, in.rows, in.cols
}

func (in *input) resize(rows, cols uint16) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.rows, in.cols = rows, cols
	in.applySize()
}

func (in *input) applySize() {
	if in.terminal && in.file != nil && in.rows > 0 && in.cols > 0 {
		_ = sys.SetWinsize(in.file, in.rows, in.cols) // a terminal that is gone has no size
	}
}

// close also ends a write that waits for the container to read.
func (in *input) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.file != nil {
		in.file.Close() // a pipe or terminal: nothing is buffered
		in.file = nil
	}
}
