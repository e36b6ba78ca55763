package logs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	r := &reader{path: path, options: o, out: output{options: o, sink: to}}
	defer r.close()
	if !o.Follow {
		return r.readAll(false)
	}
	return r.follow(ctx)
}

// reader goes through the files of one log, oldest first.
type reader struct {
	path    string
	options Options
	files   []*os.File // what is still to be read; the last is, or was, the one that is written
	in      *bufio.Reader
	part    []byte // the begin of a line whose end is not written yet
	out     output
	started bool
	done    bool // past Until
}

func (r *reader) close() {
	for _, f := range r.files {
		f.Close() // read only: nothing to lose
	}
}

// readAll reads to the end of what there is. more says that the last line may still grow.
func (r *reader) readAll(more bool) error {
	if !r.started {
		if err := r.open(); err != nil || len(r.files) == 0 {
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
	if len(r.files) < 2 {
		if !r.rotated() {
			return false, nil
		}
		// What was written between our end of file and the rename is still to be read from the old one.
		if err := r.drain(); err != nil {
			return false, err
		}
		if err := r.reopen(); err != nil || len(r.files) < 2 {
			return false, err
		}
	}
	r.files[0].Close()
	r.files = r.files[1:]
	r.part = r.part[:0] // a torn line does not go on in another file
	r.in.Reset(r.files[0])
	return true, nil
}

// rotated says whether the file being read is not the one being written any more.
func (r *reader) rotated() bool {
	now, err := os.Stat(r.path)
	if err != nil {
		return false
	}
	mine, err := r.files[len(r.files)-1].Stat()
	return err == nil && !os.SameFile(now, mine)
}

// reopen appends the files that came after the one being read.
func (r *reader) reopen() error {
	files, err := openAll(r.path)
	if err != nil {
		return err
	}
	current, err := r.files[0].Stat()
	for i, f := range files {
		info, statErr := f.Stat()
		if err == nil && statErr == nil && os.SameFile(info, current) {
			f.Close()
			files = files[i+1:]
			break
		}
	}
	r.files = append(r.files, files...)
	return nil
}

// open finds the files and goes to where Tail begins.
func (r *reader) open() error {
	files, err := openAll(r.path)
	if err != nil || len(files) == 0 {
		return err
	}
	r.files = files
	if r.options.Tail >= 0 {
		if err := r.seekTail(); err != nil {
			return err
		}
	}
	r.in = bufio.NewReaderSize(r.files[0], 128<<10)
	return nil
}

// openAll opens all files, the oldest first, as they were at one moment.
func openAll(path string) ([]*os.File, error) {
	for {
		files, err := openFiles(path)
		if err != nil {
			return nil, err
		}
		if settled(path, files) {
			slices.Reverse(files)
			return slices.DeleteFunc(files, func(f *os.File) bool { return f == nil }), nil
		}
		if err := closeAll(files); err != nil {
			return nil, err
		}
	}
}

// openFiles opens the files by their age; nil is one that is not there. Files are renamed from the oldest on, so one may be missing while older ones
// are there.
func openFiles(path string) (files []*os.File, err error) {
	for i := 0; i < 2 || files[i-1] != nil || files[i-2] != nil; i++ {
		f, err := openLog(olderPath(path, i))
		if err != nil {
			return nil, errors.Join(err, closeAll(files))
		}
		files = append(files, f)
	}
	return files, nil
}

func closeAll(files []*os.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, closeLog(f))
	}
	return errors.Join(errs...)
}

// settled says whether the names still are those of the files that were opened: no rotation came in between.
func settled(path string, opened []*os.File) bool {
	for i, f := range opened {
		now, err := os.Stat(olderPath(path, i))
		if f == nil || err != nil {
			if (f == nil) != errors.Is(err, fs.ErrNotExist) {
				return false
			}
			continue
		}
		if was, err := f.Stat(); err != nil || !os.SameFile(now, was) {
			return false
		}
	}
	return true
}

// openLog opens a file for reading; nil when there is none.
func openLog(path string) (*os.File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

func closeLog(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// follow reads, waits for changes, and reads again.
func (r *reader) follow(ctx context.Context) error {
	watch, err := sys.WatchDir(filepath.Dir(r.path))
	if err != nil {
		return err
	}
	changes := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(changes)
		for watch.Next() == nil {
			select {
			case changes <- struct{}{}:
			case <-stop:
			}
		}
	}()
	defer func() {
		close(stop)
		_ = watch.Close() // it was only read
		<-changes
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
