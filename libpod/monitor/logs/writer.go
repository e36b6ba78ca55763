package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// flushAt bounds what is formatted before it is written: output of many empty lines grows 46-fold.
const flushAt = 128 << 10

// Writer appends to one container's log. It has one user at a time.
type Writer struct {
	path      string
	max, size int64
	older     int // how many files are kept besides the one that is written
	file      *os.File
	out       []byte
	lost      error // why records before the next one are missing
}

// Create opens the log at path (mode 0600), appending when it exists. maxSize in bytes, when above 0, is
// the size at which the log becomes path.1 and a new one begins; maxFiles is how many files there are then, 0 is two.
func Create(path string, maxSize int64, maxFiles int) (*Writer, error) {
	w := newWriter(path, maxSize, maxFiles)
	return w, w.open()
}

func newWriter(path string, maxSize int64, maxFiles int) *Writer {
	w := &Writer{path: path, max: maxSize, older: 1}
	if maxFiles > 0 {
		w.older = maxFiles - 1
	}
	return w
}

// Continue takes over the file of a log that Create opened, with the same path, maxSize and maxFiles.
func Continue(file *os.File, path string, maxSize int64, maxFiles int) (*Writer, error) {
	w := newWriter(path, maxSize, maxFiles)
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	w.file, w.size = file, info.Size()
	return w, nil
}

// Whole says that no records are missing that the next one would tell of.
func (w *Writer) Whole() bool { return w.lost == nil }

// File is what it writes to.
func (w *Writer) File() *os.File { return w.file }

func (w *Writer) open() error {
	f, err := os.OpenFile(w.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|sys.ONonblock, 0o600)
	if errors.Is(err, syscall.ENXIO) { // a pipe that nobody reads; to wait for a reader would be to wait with the container
		return notFile(w.path)
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0 {
		err = notFile(w.path)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	w.file, w.size = f, info.Size()
	return nil
}

// notFile says that a log cannot be what is at path.
func notFile(path string) error {
	return errdefs.Errorf(errdefs.ErrInvalid, "%s is a pipe, and a log is a file", path)
}

// Write appends what was read from a stream at one moment, as it is: in as few write calls as the size
// allows and without allocating.
func (w *Writer) Write(stream Stream, at time.Time, p []byte) error {
	lost := w.lost
	w.lost = nil
	err := w.write(stream, at, p, lost)
	w.lost = err
	return err
}

// write tells first what was lost, if anything.
func (w *Writer) write(stream Stream, at time.Time, p []byte, lost error) error {
	var buf [2 * len(timeFormat)]byte
	head := at.UTC().AppendFormat(buf[:0], timeFormat)
	head = append(append(append(head, ' '), stream.String()...), " F "...)
	tag := len(head) - 2
	w.out = w.out[:0]
	if lost != nil {
		w.out = at.UTC().AppendFormat(w.out, timeFormat)
		w.out = fmt.Appendf(w.out, " %s F moss: output is missing here: %s\n", Stderr, reason(lost))
	}
	for len(p) > 0 {
		line := p
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			line, p = p[:i], p[i+1:]
		} else {
			p, head[tag] = nil, 'P'
		}
		if err := w.makeRoom(len(head) + len(line) + 1); err != nil {
			return err
		}
		w.out = append(append(append(w.out, head...), line...), '\n')
	}
	return w.flush()
}

// reason is the system's word for what went wrong, without paths.
func reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return "it could not be written"
}

// olderPath is where the file is that was written so many files ago.
func olderPath(path string, i int) string {
	if i == 0 {
		return path
	}
	return path + "." + strconv.Itoa(i)
}

// makeRoom writes or rotates before a record of n bytes.
func (w *Writer) makeRoom(n int) error {
	pending := w.size + int64(len(w.out))
	rotate := w.max > 0 && pending > 0 && pending+int64(n) > w.max
	if !rotate && len(w.out) < flushAt {
		return nil
	}
	if err := w.flush(); err != nil || !rotate {
		return err
	}
	return w.rotate()
}

func (w *Writer) flush() error {
	if len(w.out) == 0 {
		return nil
	}
	_, err := w.file.Write(w.out)
	if err != nil {
		// A torn record (disk full) must not swallow the next one.
		return errors.Join(err, w.file.Truncate(w.size))
	}
	w.size += int64(len(w.out))
	w.out = w.out[:0]
	return nil
}

func (w *Writer) rotate() error {
	if w.older == 0 {
		if err := os.Remove(w.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for i := w.older; i > 0; i-- {
		if err := os.Rename(olderPath(w.path, i-1), olderPath(w.path, i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	old := w.file
	if err := w.open(); err != nil {
		return err
	}
	return old.Close()
}

// Trim frees the buffer of a writer that may be idle for long.
func (w *Writer) Trim() { w.out = nil }

// Close closes the file.
func (w *Writer) Close() error { return w.file.Close() }
