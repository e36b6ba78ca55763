package logs

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
)

// queue is the open files of one log that are still to be read, the oldest first. Who follows a log opens each file as soon as it is there, so that
// none is missing that was removed before what came before it had been read.
type queue struct {
	path  string
	turn  sync.Mutex
	files []*os.File // the last is, or was, the one that is written
}

// How much is kept open that may be on the disk for that alone.
const (
	mostFiles = 256
	mostBytes = 64 << 20
)

// begin opens all files that are there, and has them looked at before anybody adds another one.
func (q *queue) begin(look func() error) (found bool, err error) {
	q.turn.Lock()
	defer q.turn.Unlock()
	if q.files, err = openSince(q.path, nil); err != nil || len(q.files) == 0 {
		return false, err
	}
	return true, look()
}

// find opens the files that came after the newest one, once there is one.
func (q *queue) find() error {
	q.turn.Lock()
	defer q.turn.Unlock()
	if len(q.files) == 0 {
		return nil
	}
	newest := q.files[len(q.files)-1]
	if !q.rotated(newest) || q.full() {
		return nil
	}
	files, err := openSince(q.path, newest)
	if err != nil && len(q.files) > 1 {
		return nil //nolint:nilerr // there are others to be read first, and it is tried again then
	}
	q.files = append(q.files, files...)
	return err
}

// rotated says whether a file is not the one being written any more.
func (q *queue) rotated(f *os.File) bool {
	now, err := os.Stat(q.path)
	if err != nil {
		return false
	}
	mine, err := f.Stat()
	return err == nil && !os.SameFile(now, mine)
}

func (q *queue) full() bool {
	if len(q.files) < 2 {
		return false
	}
	if len(q.files) >= mostFiles {
		return true
	}
	var size int64
	for _, f := range q.files {
		if info, err := f.Stat(); err == nil {
			size += info.Size()
		}
	}
	return size > mostBytes
}

// following says whether there is a file after the first.
func (q *queue) following() bool {
	q.turn.Lock()
	defer q.turn.Unlock()
	return len(q.files) > 1
}

// pop closes the first file and gives the next.
func (q *queue) pop() *os.File {
	q.turn.Lock()
	defer q.turn.Unlock()
	q.files[0].Close() // read only: nothing to lose
	q.files = q.files[1:]
	return q.files[0]
}

func (q *queue) close() {
	q.turn.Lock()
	defer q.turn.Unlock()
	for _, f := range q.files {
		f.Close()
	}
	q.files = nil
}

// openSince opens the files that are newer than a known one, nil for all of them, as they were at one moment, and gives the oldest first.
func openSince(path string, known *os.File) ([]*os.File, error) {
	for {
		files, err := tryOpenSince(path, known)
		if err != nil {
			return nil, err
		}
		if len(files) == 0 || isNewest(path, files[len(files)-1]) {
			return files, nil
		}
		if err := closeAll(files); err != nil {
			return nil, err
		}
	}
}

// tryOpenSince is openSince, unless a new file begins meanwhile: then files may be in the wrong order. Before that they are renamed, from the oldest on: so
// one may be met again a place further on, or a place be empty while the next is not.
func tryOpenSince(path string, known *os.File) (files []*os.File, err error) {
	for i, missing := 0, 0; missing < 2; i++ {
		f, err := os.Open(olderPath(path, i))
		if errors.Is(err, fs.ErrNotExist) {
			missing++
			continue
		}
		if err != nil {
			return nil, errors.Join(err, closeAll(files))
		}
		missing = 0
		met := func(other *os.File) bool { return sameFile(f, other) }
		if known != nil && met(known) {
			f.Close()
			break
		}
		if slices.ContainsFunc(files, met) {
			f.Close()
			continue
		}
		files = append(files, f)
	}
	slices.Reverse(files)
	return files, nil
}

// isNewest says whether no file has begun after one.
func isNewest(path string, f *os.File) bool {
	now, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) { // the next is about to
		now, err = os.Stat(olderPath(path, 1))
	}
	mine, statErr := f.Stat()
	return err == nil && statErr == nil && os.SameFile(now, mine)
}

func sameFile(f, other *os.File) bool {
	one, err1 := f.Stat()
	two, err2 := other.Stat()
	return err1 == nil && err2 == nil && os.SameFile(one, two)
}

func closeAll(files []*os.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
