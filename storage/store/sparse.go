package store

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"syscall"

	split "github.com/vbatts/tar-split/archive/tar"

	"github.com/mosscontainers/moss/pkg/sys"
)

// errSparse is of a tar that leaves holes in its files out. Neither can a tar-split say that, nor does the library unpack each of the formats.
var errSparse = errors.New("it has sparse files")

const paxSparse = "GNU.sparse."

func isSparse(h *split.Header) bool {
	if h.Typeflag == split.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, paxSparse) {
			return true
		}
	}
	return false
}

// PutFile is PutLayer of a file. Holes that its tar leaves out are zeros in the layer.
func (s *Store) PutFile(ctx context.Context, f *os.File) (_ *Layer, err error) {
	l, err := s.PutLayer(ctx, "", f)
	if !errors.Is(err, errSparse) {
		return l, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	plain, _, err := s.decompress(f)
	if err != nil {
		return nil, err
	}
	defer closeJoined(&err, plain)
	free, err := sys.FreeSpace(s.cfg.ImageRoot())
	if err != nil {
		return nil, err
	}
	full, to := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		to.CloseWithError(fillHoles(to, plain, free))
	}()
	l, err = s.PutLayer(ctx, "", full)
	_ = full.Close() // which never fails
	<-done
	return l, err
}

// fillHoles writes a tar anew, with all that the holes of its files stand for. A small tar may tell of any number of zeros, so what the disk has no
// room for is not begun.
func fillHoles(to io.Writer, from io.Reader, free int64) error {
	in, out := tar.NewReader(from), tar.NewWriter(to)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out.Close()
		}
		if err != nil {
			return err
		}
		if free -= h.Size; free < 0 {
			return fmt.Errorf("the entry %.200q has %d bytes, which is more than the disk has room for: %w", h.Name, h.Size, syscall.ENOSPC)
		}
		if h.Typeflag == tar.TypeGNUSparse {
			h.Typeflag = tar.TypeReg
		}
		maps.DeleteFunc(h.PAXRecords, func(key, _ string) bool { return strings.HasPrefix(key, paxSparse) })
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(out, in); err != nil {
			return err
		}
	}
}
