package logs

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// seekTail drops the files and skips the bytes before the last Tail lines.
func (r *reader) seekTail() error {
	left := r.options.Tail
	for i := len(r.files) - 1; i >= 0; i-- {
		offset, found, err := tailOffset(r.files[i], left)
		if err != nil {
			return err
		}
		left -= found
		if left > 0 && i > 0 {
			continue
		}
		for _, f := range r.files[:i] {
			f.Close()
		}
		r.files = r.files[i:]
		_, err = r.files[0].Seek(offset, io.SeekStart)
		return err
	}
	return nil
}

// tailOffset is where the last n lines of a file begin, and how many of them there are. A line is a
// record that follows one with tag F, with all that continue it.
func tailOffset(f *os.File, n int) (offset int64, found int, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	end := info.Size()
	if n <= 0 {
		return end, 0, nil
	}
	b := backward{file: f, pos: end}
	line := end // where the record begins that was seen last
	for {
		start, head, err := b.record()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, 0, err
		}
		if rec, ok := parse(head); line < end && ok && !rec.part {
			if found++; found == n {
				return line, found, nil
			}
		}
		line = start
	}
	if end > 0 {
		found++
	}
	return 0, found, nil
}

// backward walks over a file's lines from its end.
type backward struct {
	file *os.File
	pos  int64 // everything from here on was seen; a line begins here
	buf  []byte
	base int64 // where buf begins
}

// headSize is enough of a record to know its tag.
const headSize = 64

// record goes to the line before: where it begins and at least its first headSize bytes; io.EOF at the
// begin of the file.
func (b *backward) record() (start int64, head []byte, err error) {
	if b.pos == 0 {
		return 0, nil, io.EOF
	}
	// The line's own newline is at pos-1, unless it is the file's last and torn.
	limit := b.pos - 1
	for {
		if b.buf != nil && limit >= b.base {
			if i := bytes.LastIndexByte(b.buf[:limit-b.base], '\n'); i >= 0 {
				start = b.base + int64(i) + 1
				break
			}
			limit = b.base
		}
		if limit == 0 {
			break
		}
		if err := b.load(limit); err != nil {
			return 0, nil, err
		}
	}
	end := min(b.pos, start+headSize)
	b.pos = start
	if start >= b.base && end <= b.base+int64(len(b.buf)) {
		return start, bytes.TrimSuffix(b.buf[start-b.base:end-b.base], []byte{'\n'}), nil
	}
	head = make([]byte, end-start)
	if _, err := b.file.ReadAt(head, start); err != nil && !errors.Is(err, io.EOF) {
		return 0, nil, err
	}
	return start, bytes.TrimSuffix(head, []byte{'\n'}), nil
}

// load reads the block that ends at limit.
func (b *backward) load(limit int64) error {
	const block = 64 << 10
	b.base = max(0, limit-block)
	if b.buf == nil {
		b.buf = make([]byte, block)
	}
	b.buf = b.buf[:limit-b.base]
	_, err := b.file.ReadAt(b.buf, b.base)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
