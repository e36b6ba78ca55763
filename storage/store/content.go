package store

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"github.com/vbatts/tar-split/archive/tar"
	splitstorage "github.com/vbatts/tar-split/tar/storage"
	lib "go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"

	"github.com/mosscontainers/moss/pkg/sys"
)

// A layer's content is its tree of files, and beside it the "tar-split": all of the tar but the files' contents,
// with which the same bytes can be made of the tree again. Reading a tar for it also gives the digest, the
// size and the owners, so one pass over a tar finds all that the store records of a layer.

// content reads a tar and finds what is to be recorded of it.
type content struct {
	in   *relay
	sum  hash.Hash
	size int64
	file *os.File // of the tar-split
	room *room
	pack splitstorage.Packer
	most int64 // that a file may have, in bytes
	full bool  // sparse files are refused

	entries    int // of files, whiteouts among them, but for marks of opaque directories
	uids, gids map[uint32]bool
	root       *fs.FileMode // the mode that the tar gives its root; nil: none
}

// room is memory to read a tar with, which the next one uses again.
type room struct {
	ring  *ring
	piece []byte // what files and padding are read into
	split *gzip.Writer
}

func newRoom() (*room, error) {
	split, err := gzip.NewWriterLevel(nil, gzip.BestSpeed) // as the library does
	return &room{newRing(), make([]byte, scanBuffer), split}, err
}

// newContent records the tar-split, compressed, in the file at splitPath. Close it.
func (s *Store) newContent(in io.Reader, splitPath string) (*content, error) {
	r, ok := s.rooms.Get().(*room)
	if !ok {
		var err error
		if r, err = newRoom(); err != nil {
			return nil, err
		}
	}
	file, err := os.OpenFile(splitPath, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	most, err := sys.FsSize(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	r.split.Reset(file)
	d, _ := in.(decompressed)
	c := &content{in: newRelay(r.ring, in, d.ahead), sum: digest.Canonical.Hash(), file: file, room: r, most: most, uids: map[uint32]bool{}, gids: map[uint32]bool{}}
	c.pack = newPacker(r.split)
	return c, nil
}

// close ends the tar-split. What was read of the tar may be asked for after that.
func (c *content) close(s *Store) error {
	c.in.close()
	err := errors.Join(c.room.split.Close(), c.file.Close())
	s.rooms.Put(c.room)
	c.room = nil
	return err
}

// Read is for the parser alone.
func (c *content) Read(p []byte) (int, error) {
	for len(c.in.rest) == 0 {
		if c.in.end != nil {
			return 0, c.in.end
		}
		c.next()
	}
	n := copy(p, c.in.rest)
	c.in.rest = c.in.rest[n:]
	return n, nil
}

func (c *content) next() {
	piece := c.in.next().piece
	_, _ = c.sum.Write(piece) // a hash does not fail
	c.size += int64(len(piece))
}

// scan reads the tar to its end, padding included, and passes it on to unpack, if that is not nil.
func (c *content) scan(unpack *unpacker) error {
	c.in.to = unpack
	err := c.parse()
	if err == nil {
		c.in.pass()
	}
	c.in.to = nil
	return err
}

func (c *content) parse() error {
	parser := tar.NewReader(c)
	parser.RawAccounting = true
	for {
		header, err := parser.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = c.entry(parser, header)
		}
		if err != nil {
			return err
		}
	}
	if err := c.segment(parser.RawBytes()); err != nil {
		return err
	}
	return c.padding()
}

// scanBuffer is large, since each piece goes through a checksum.
const scanBuffer = 256 << 10

// entry records a header and its file.
func (c *content) entry(parser *tar.Reader, header *tar.Header) error {
	if header.Size > c.most {
		return fmt.Errorf("the entry %.200q has %d bytes, which is more than the file system: %w", header.Name, header.Size, syscall.ENOSPC)
	}
	if c.full && isSparse(header) {
		return errSparse
	}
	c.note(header)
	if err := c.segment(parser.RawBytes()); err != nil {
		return err
	}
	file := splitstorage.Entry{Type: splitstorage.FileType, Size: header.Size}
	file.SetName(header.Name)
	if header.Size > 0 {
		var sum checksum
		if _, err := io.CopyBuffer(&sum, parser, c.room.piece); err != nil {
			return err
		}
		file.Payload = sum.sum()
	}
	if _, err := c.pack.AddEntry(file); err != nil {
		return err
	}
	return c.segment(parser.RawBytes())
}

// note counts, and remembers owners and what the root is like.
func (c *content) note(header *tar.Header) {
	name := path.Clean(header.Name)
	if path.Base(name) != archive.WhiteoutOpaqueDir {
		c.entries++
	}
	if strings.HasPrefix(path.Base(name), archive.WhiteoutPrefix) {
		return
	}
	c.uids[uint32(header.Uid)] = true
	c.gids[uint32(header.Gid)] = true
	if (name == "." || name == "/") && header.Typeflag == tar.TypeDir {
		mode := header.FileInfo().Mode()
		c.root = &mode
	}
}

func (c *content) segment(raw []byte) error {
	if len(raw) == 0 {
		return nil
	}
	_, err := c.pack.AddEntry(splitstorage.Entry{Type: splitstorage.SegmentType, Payload: raw})
	return err
}

// padding is what follows the end of the archive, in pieces, since it may be long.
func (c *content) padding() error {
	for {
		n, err := io.ReadFull(c, c.room.piece)
		if err := c.segment(c.room.piece[:n]); err != nil {
			return err
		}
		switch end := c.in.end; {
		case err == nil:
		case errors.Is(end, io.EOF):
			return nil
		default: // what was cut says that it ended too early, as ReadFull does of less than a piece
			return end
		}
	}
}

func (c *content) digest() digest.Digest { return digest.NewDigest(digest.Canonical, c.sum) }

// differs makes the error of a stream that is no tar of one that it has another digest than it should, where that is the
// reason: a gzip stream in a gzip stream, say.
func (c *content) differs(err error, want digest.Digest) error {
	if err == nil || want == "" || c.in.end != nil && !errors.Is(c.in.end, io.EOF) {
		return err
	}
	if errors.As(err, new(syscall.Errno)) { // the disk's
		return err
	}
	for c.in.end == nil {
		c.next()
	}
	if !errors.Is(c.in.end, io.EOF) {
		return err
	}
	if c.digest() != want {
		return errOtherDigest
	}
	return fmt.Errorf("what has the digest that it should is not a whole tar archive: %w", err)
}

// record is what the list of layers says of it.
func (c *content) record() lib.Layer {
	sum := c.digest()
	return lib.Layer{
		UncompressedDigest: sum, UncompressedSize: c.size, CompressedDigest: sum, CompressedSize: c.size,
		UIDs: sorted(c.uids), GIDs: sorted(c.gids),
	}
}

func sorted(ids map[uint32]bool) []uint32 {
	all := []uint32{}
	for id := range ids {
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}
