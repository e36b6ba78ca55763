package store

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"strings"

	split "github.com/vbatts/tar-split/archive/tar"
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
	full, to := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		to.CloseWithError(fillHoles(to, plain))
	}()
	l, err = s.PutLayer(ctx, "", full)
	_ = full.Close() // which never fails
	<-done
	return l, err
}

// fillHoles writes a tar anew, with all that the holes of its files stand for.
func fillHoles(to io.Writer, from io.Reader) error {
	in, out := tar.NewReader(from), tar.NewWriter(to)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out.Close()
		}
		if err != nil {
			return err
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
