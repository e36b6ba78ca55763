package store

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/therootcompany/xz"
	"go.podman.io/storage/pkg/archive"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// smallBlob is how many bytes of a blob are read before any of it is decompressed. Where they are all of it, nobody needs to read ahead: to start
// that takes longer than to decompress so little.
const smallBlob = 256 << 10

// maxWindow is what a compressed stream may ask for of memory, in bytes: twice what xz -9 needs. The library's way to read xz has no bound, and zstd(1)
// has the same.
const maxWindow = 128 << 20

// Unxz reads what is compressed with xz.
func Unxz(stream io.Reader) (io.Reader, error) {
	x, err := xz.NewReader(stream, maxWindow)
	return windowed{x}, tooMuch(err)
}

type windowed struct{ *xz.Reader }

func (w windowed) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	return n, tooMuch(err)
}

func tooMuch(err error) error {
	if errors.Is(err, xz.ErrMemlimit) {
		return errdefs.Errorf(errdefs.ErrInvalid, "it takes more than %d MiB of memory to unpack; compress it with a smaller window", maxWindow>>20)
	}
	return err
}

// packed is memory to decompress a blob with, which the next one uses again.
type packed struct {
	stream *bufio.Reader
	gunzip *gzip.Reader
}

// decompressed is the plain stream of a blob. Close it.
type decompressed struct {
	io.Reader
	ahead bool // it is worth doing while what there is of it is read
	close func()
}

func (d decompressed) Close() error {
	d.close()
	return nil
}

// decompress also says how a stream was compressed.
func (s *Store) decompress(stream io.Reader) (io.ReadCloser, archive.Compression, error) {
	p, ok := s.packed.Get().(*packed)
	if !ok {
		p = &packed{bufio.NewReaderSize(nil, smallBlob), new(gzip.Reader)}
	}
	p.stream.Reset(stream)
	plain, how, ahead, end, err := p.decompress()
	return decompressed{plain, ahead, func() {
		end()
		p.stream.Reset(nil)
		s.packed.Put(p)
	}}, how, err
}

func (p *packed) decompress() (plain io.Reader, how archive.Compression, large bool, end func(), err error) {
	end = func() {}
	head, err := p.stream.Peek(smallBlob)
	small := errors.Is(err, io.EOF)
	if err != nil && !small {
		return nil, archive.Uncompressed, false, end, err
	}
	switch how = archive.DetectCompression(head); how {
	case archive.Xz:
		plain, err = Unxz(p.stream)
	case archive.Gzip:
		plain, large, err = p.gunzip, !small, p.gunzip.Reset(p.stream)
	default:
		var other io.ReadCloser
		if other, err = archive.DecompressStream(p.stream); err == nil {
			end = func() { _ = other.Close() } // what reading has ended with
		}
		plain = other
	}
	return plain, how, large, end, err
}
