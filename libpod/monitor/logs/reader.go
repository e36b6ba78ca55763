package logs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Options choose what is read.
type Options struct {
	// Tail is how many of the last lines to begin with; below 0 is all.
	Tail int
	// Since and Until bound the time of records; the zero time is no bound.
	Since, Until time.Time
	// Timestamps puts the time before every line.
	Timestamps bool
	// Follow waits for more until Ended is closed and everything written before that was read. Nil never
	// ends.
	Follow bool
	Ended  <-chan struct{}
}

// Sink takes what the container wrote. A nil stream is left out. The writers are called with whole
// batches, and with all that is there before Read waits.
type Sink struct{ Stdout, Stderr io.Writer }

// Read copies the log at path to the sink. A log that does not exist yet is empty. Errors are the
// sink's, the file's, or the context's.
func Read(ctx context.Context, path string, o Options, to Sink) error {
	r := &reader{queue: queue{path: path}, options: o, out: output{options: o, sink: to}}
	defer r.close()
	if !o.Follow {
		return r.readAll(false)
	}
	return r.follow(ctx)
}

// reader goes through the files of one log, oldest first.
type reader struct {
	queue
	options Options
	in      *bufio.Reader
	part    []byte // the begin of a line whose end is not written yet
	out     output
	started bool
	done    bool // past Until
}

// readAll reads to the end of what there is. more says that the last line may still grow.
func (r *reader) readAll(more bool) error {
	if !r.started {
		if found, err := r.open(); err != nil || !found {
			return err
		}
		r.started = true
	}
	for {
		if err := r.drain(); err != nil {
			return err
		}
		again, err := r.next()
		if err != nil {
			return err
		}
		if !again || r.done {
			break
		}
	}
	if !more && len(r.part) > 0 {
		if err := r.line(r.part); err != nil {
			return err
		}
		r.part = nil
	}
	return r.out.flush()
}

// drain reads the first file to its end.
func (r *reader) drain() error {
	for !r.done {
		chunk, err := r.in.ReadSlice('\n')
		if err == nil && len(r.part) == 0 {
			if err := r.line(chunk[:len(chunk)-1]); err != nil {
				return err
			}
			continue
		}
		r.part = append(r.part, chunk...)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			line := bytes.TrimSuffix(r.part, []byte{'\n'})
			r.part = r.part[:0]
			err = r.line(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
	return nil
}

func (r *reader) line(line []byte) error {
	rec, ok := parse(line)
	if !ok {
		return nil
	}
	if !r.options.Since.IsZero() || !r.options.Until.IsZero() {
		at, err := rec.time()
		if err != nil || at.Before(r.options.Since) {
			return nil
		}
		if !r.options.Until.IsZero() && at.After(r.options.Until) {
			r.done = true
			return nil
		}
	}
	return r.out.record(&rec)
}

// next goes on to the following file, when there is one.
func (r *reader) next() (bool, error) {
	if err := r.find(); err != nil || !r.following() {
		return false, err
	}
	// What was written between our end of file and the rename is still to be read from the old one.
	if err := r.drain(); err != nil {
		return false, err
	}
	r.part = r.part[:0] // a torn line does not go on in another file
	r.in.Reset(r.pop())
	return true, nil
}

// open finds the files and goes to where Tail begins.
func (r *reader) open() (found bool, err error) {
	return r.begin(func() error {
		if r.options.Tail >= 0 {
			if err := r.seekTail(); err != nil {
				return err
			}
		}
		r.in = bufio.NewReaderSize(r.files[0], 128<<10)
		return nil
	})
}

// follow reads, waits for changes, and reads again.
func (r *reader) follow(ctx context.Context) error {
	watch, err := sys.WatchDir(filepath.Dir(r.path))
	if err != nil {
		return err
	}
	changes, over := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(over)
		defer close(changes)
		for watch.Next() == nil {
			_ = r.find() // who reads on tries again
			select {
			case changes <- struct{}{}:
			default: // it has been told, and has not looked yet
			}
		}
	}()
	defer func() {
		_ = watch.Close() // it was only read
		<-over
	}()
	for {
		// Asked before reading: what was written before the end is then read after it.
		ended := isClosed(r.options.Ended)
		if err := r.readAll(!ended); err != nil || ended || r.done {
			return err
		}
		if !r.options.Until.IsZero() && time.Now().After(r.options.Until) {
			return nil
		}
		select {
		case _, ok := <-changes:
			if !ok {
				return errors.New("cannot follow the log: watching " + filepath.Dir(r.path) + " failed")
			}
		case <-r.options.Ended:
		case <-ctx.Done():
			return ctx.Err()
		case <-r.untilPassed():
		}
	}
}

// untilPassed fires when no record before Until can come any more.
func (r *reader) untilPassed() <-chan time.Time {
	if r.options.Until.IsZero() {
		return nil
	}
	return time.After(time.Until(r.options.Until))
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
