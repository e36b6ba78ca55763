package tree

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/mosscontainers/moss/pkg/sys"
)

// batch bounds how many entries' digests wait for their files' contents, and thereby memory.
const batch = 4096

// Digest tells what is below a path: names, kinds, modes, owners, links, extended attributes and contents, not times.
func (t *Tree) Digest(ctx context.Context, path string) (digest.Digest, error) {
	v, err := t.Open()
	if err != nil {
		return "", err
	}
	defer v.Close()
	return v.Digest(ctx, Selection{Path: path, Follow: true})
}

// Digest tells what is selected: names below the selection's path, kinds, modes, owners, links, extended attributes and contents, not times.
func (v *View) Digest(ctx context.Context, s Selection) (digest.Digest, error) {
	d := &digester{known: v.tree.Known, sum: sha256.New(), slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	err := v.Walk(ctx, s, d)
	if ended := d.fold(); err == nil {
		err = ended
	}
	if err != nil {
		return "", err
	}
	return digest.NewDigest(digest.SHA256, d.sum), nil
}

// content is the digest of a regular file's extended attributes and bytes.
type content [sha256.Size]byte

// digester is the visitor that makes a tree's digest. Files are read side by side, and told in the order of the walk.
type digester struct {
	known   *Known
	sum     hash.Hash
	waiting []*header
	slots   chan struct{} // one for each file that is being read
	readers sync.WaitGroup
	mu      sync.Mutex
	err     error // the first of the readers
}

// header is what is told of one entry.
type header struct {
	bytes   []byte
	content *content // of a regular file
}

func (d *digester) Enter(e *Entry) error {
	h := newHeader(e)
	attrs, err := e.Xattrs()
	if err != nil {
		return err
	}
	h.bytes = appendXattrs(h.bytes, attrs)
	return d.add(h)
}

func (d *digester) Leave(*Entry) error { return nil }

func (d *digester) Visit(e *Entry) error {
	h := newHeader(e)
	switch e.Kind() {
	case syscall.S_IFSOCK: // belongs to a process
		return nil
	case syscall.S_IFLNK:
		target, err := sys.ReadlinkAt(e.Dir, e.Name)
		if err != nil {
			return err
		}
		h.bytes = appendString(h.bytes, target)
	case syscall.S_IFREG:
		if err := d.read(e, h); err != nil {
			return err
		}
	}
	return d.add(h)
}

// read finds out what a file contains, some time before fold ends.
func (d *digester) read(e *Entry, h *header) error {
	h.content = &content{}
	if d.known.find(e.Stat, h.content) {
		return nil
	}
	f, err := e.OpenFile()
	if err != nil {
		return err
	}
	d.slots <- struct{}{}
	d.readers.Add(1)
	st := *e.Stat
	go func() {
		defer d.readers.Done()
		d.readFile(f, &st, h.content)
		<-d.slots
	}()
	return nil
}

func (d *digester) readFile(f *os.File, st *syscall.Stat_t, c *content) {
	defer f.Close()
	err := contentOf(f, st, c)
	if err == nil {
		d.known.add(st, *c)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = fmt.Errorf("cannot read %s: %w", f.Name(), err)
	}
}

// add has an entry told after those before.
func (d *digester) add(h *header) error {
	d.waiting = append(d.waiting, h)
	if len(d.waiting) < batch {
		return nil
	}
	return d.fold()
}

// fold waits for the files and tells what was waiting for them.
func (d *digester) fold() error {
	d.readers.Wait()
	if d.err != nil {
		return d.err
	}
	for _, h := range d.waiting {
		d.sum.Write(h.bytes)
		if h.content != nil {
			d.sum.Write(h.content[:])
		}
	}
	d.waiting = d.waiting[:0]
	return nil
}

func newHeader(e *Entry) *header {
	b := make([]byte, 0, 64+len(e.Path))
	b = appendString(b, e.Path)
	st := e.Stat
	mode := st.Mode
	if e.Kind() == syscall.S_IFLNK {
		mode = syscall.S_IFLNK
	}
	for _, n := range []uint64{uint64(mode), uint64(st.Uid), uint64(st.Gid), device(st)} {
		b = binary.AppendUvarint(b, n)
	}
	return &header{bytes: b}
}

func device(st *syscall.Stat_t) uint64 {
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFBLK, syscall.S_IFCHR:
		return st.Rdev
	}
	return 0
}

// appendString appends a string so that two of them cannot be taken for two others.
func appendString[S ~string | ~[]byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendXattrs(b []byte, attrs []sys.Xattr) []byte {
	b = binary.AppendUvarint(b, uint64(len(attrs)))
	for _, a := range attrs {
		b = appendString(appendString(b, a.Name), a.Value)
	}
	return b
}

// buffers are what files are read with.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

func contentOf(f *os.File, st *syscall.Stat_t, c *content) error {
	attrs, err := sys.Xattrs(f)
	if err != nil {
		return err
	}
	sum := sha256.New()
	sum.Write(appendXattrs(nil, attrs))
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	if st.Blocks*512 < st.Size && st.Size > int64(len(zeros)) {
		err = sumSparse(sum, f, buf[:])
	} else {
		_, err = io.CopyBuffer(onlyWriter{sum}, onlyReader{f}, buf[:])
	}
	if err != nil {
		return err
	}
	sum.Sum(c[:0])
	return nil
}

var zeros [64 << 10]byte

// sumSparse sums a file with holes. To read a hole takes the kernel pages to put zeros into, and longer than to sum them.
func sumSparse(sum hash.Hash, f *os.File, buf []byte) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	for at := int64(0); at < size; {
		start, err := f.Seek(at, sys.SeekData)
		if errors.Is(err, syscall.ENXIO) { // nothing was written after that
			start, err = size, nil
		}
		if err != nil {
			return err
		}
		sumZeros(sum, start-at)
		if at, err = sumPart(sum, f, start, buf); err != nil {
			return err
		}
	}
	return nil
}

func sumZeros(sum hash.Hash, n int64) {
	for ; n > 0; n -= int64(len(zeros)) {
		sum.Write(zeros[:min(n, int64(len(zeros)))])
	}
}

// sumPart sums what was written from start on, and says where that ends.
func sumPart(sum hash.Hash, f *os.File, start int64, buf []byte) (end int64, err error) {
	end, err = f.Seek(start, sys.SeekHole)
	if errors.Is(err, syscall.ENXIO) { // start is the file's end
		return start, nil
	}
	if err == nil {
		_, err = f.Seek(start, io.SeekStart)
	}
	if err == nil {
		_, err = io.CopyBuffer(onlyWriter{sum}, io.LimitReader(f, end-start), buf)
	}
	return end, err
}

// onlyReader and onlyWriter keep io.CopyBuffer from ways around its buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)
