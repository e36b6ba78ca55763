package fileop

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// maxWindow bounds the memory that a compressed archive asks for, in bytes: twice what xz -9 needs, as much as zstd(1) allows.
const maxWindow = 128 << 20

// formats are how archives are compressed, by how they begin.
var formats = []struct {
	magic string
	open  func(io.Reader) (io.ReadCloser, error)
}{
	{"\x1f\x8b\x08", func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }},
	{"BZh", func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(bzip2.NewReader(r)), nil }},
	{"\xfd7zXZ\x00", func(r io.Reader) (io.ReadCloser, error) {
		x, err := xz.NewReader(r, maxWindow) // ulikunitz/xz has no such bound
		return io.NopCloser(x), err
	}},
	{"\x28\xb5\x2f\xfd", func(r io.Reader) (io.ReadCloser, error) {
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}},
}

// decompress reads what is compressed in one of the known ways, or not at all. No program of the host or the image is run for it.
func decompress(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	start, err := buffered.Peek(6)
	if err != nil && err != io.EOF {
		return nil, err
	}
	for _, f := range formats {
		if bytes.HasPrefix(start, []byte(f.magic)) {
			return f.open(buffered)
		}
	}
	return io.NopCloser(buffered), nil
}

// IsArchive says whether what r begins with is a tar archive, compressed or not. One that takes too much memory is an error.
func IsArchive(r io.Reader) (bool, error) {
	err := readFirst(r)
	if errors.Is(err, xz.ErrMemlimit) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return false, errdefs.Errorf(errdefs.ErrInvalid, "cannot unpack the archive: it takes more than %d MiB of memory; compress it with a smaller window", maxWindow>>20)
	}
	return err == nil, nil
}

func readFirst(archive io.Reader) error {
	plain, err := decompress(archive)
	if err != nil {
		return err
	}
	defer plain.Close()
	_, err = tar.NewReader(plain).Next()
	return err
}
