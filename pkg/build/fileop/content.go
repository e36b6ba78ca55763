package fileop

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

// small is the size up to which reading and writing is quicker than having the kernel copy, in bytes.
const small = 128 << 10

var buffers = sync.Pool{New: func() any { return new([small]byte) }}

// copyContent copies what is in a file. The kernel copies large ones, or has them share their blocks where the file system can; holes
// stay holes.
func copyContent(to, from *os.File, st *syscall.Stat_t) error {
	if st.Blocks*512 < st.Size && st.Size > 4096 {
		return copySparse(to, from, st.Size)
	}
	if st.Size > small {
		_, err := to.ReadFrom(from) // copy_file_range(2)
		return err
	}
	buf := buffers.Get().(*[small]byte)
	defer buffers.Put(buf)
	for {
		n, err := from.Read(buf[:])
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF || err == nil && int64(n) == st.Size { // one read is all of most files
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// copySparse copies the parts of a file that were written.
func copySparse(to, from *os.File, size int64) error {
	for end := int64(0); ; {
		start, err := from.Seek(end, sys.SeekData)
		if errors.Is(err, syscall.ENXIO) { // nothing was written after that
			return to.Truncate(size)
		}
		if err != nil {
			return err
		}
		if end, err = from.Seek(start, sys.SeekHole); err != nil {
			return err
		}
		if err := copyPart(to, from, start, end); err != nil {
			return err
		}
	}
}

func copyPart(to, from *os.File, start, end int64) error {
	for _, f := range []*os.File{to, from} {
		if _, err := f.Seek(start, io.SeekStart); err != nil {
			return err
		}
	}
	_, err := to.ReadFrom(io.LimitReader(from, end-start))
	return err
}

func now() syscall.Timespec { return syscall.NsecToTimespec(time.Now().UnixNano()) }

// writeSparse writes what r has, with holes where there are zeros only.
func writeSparse(to *os.File, r io.Reader, buf []byte) error {
	var size int64
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 && !allZero(buf[:n]) {
			if _, err := to.WriteAt(buf[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return to.Truncate(size)
		}
		if err != nil {
			return err
		}
	}
}

func allZero(b []byte) bool {
	// Equal to itself shifted by one, and beginning with zero: compared at the speed of memory.
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}
