package store

import (
	"io"
	"os"

	"go.podman.io/storage/pkg/archive"

	"github.com/mosscontainers/moss/pkg/sys"
)

// smallTar is how many pieces a layer has at most that is unpacked when all of it was read. A larger one is unpacked while it comes, by somebody who is woken
// for each piece.
const smallTar = 4

// unpackBuffer is what the library allocates for each layer, and never uses, in bytes.
const unpackBuffer = 1 << 20

// unpacker has a thread that is confined to a directory write the files of a tar. The library's own way is a
// process for each layer, whose start takes longer than a small layer.
type unpacker struct {
	threads *sys.RootThreads
	root    *os.File
	options *archive.TarOptions
	ring    *ring
	tar     chan []byte // pieces of it
	taken   int         // how many were sent
	ended   chan error  // how it went; nil: it has not begun

	piece, rest []byte // for the thread: what it reads, and what of it was not read
}

// unpack writes the files of the tar that c reads.
func (s *Store) unpack(c *content, tree string, options *archive.TarOptions) error {
	root, err := os.Open(tree)
	if err != nil {
		return err
	}
	defer root.Close()
	u := &unpacker{threads: &s.threads, root: root, options: options, ring: c.room.ring, tar: make(chan []byte, pieces)}
	return u.finish(c.scan(u))
}

// take is given what was read. There is room for all pieces, so nobody waits here.
func (u *unpacker) take(piece []byte) {
	if u.taken++; u.taken > smallTar && u.ended == nil {
		u.ended = make(chan error, 1)
		go func() { u.ended <- u.write() }()
	}
	u.tar <- piece
}

// finish ends the tar. After an error of who reads it, the thread saw only that it ended too early.
func (u *unpacker) finish(scanErr error) (err error) {
	close(u.tar)
	switch {
	case u.ended != nil:
		err = <-u.ended
	case scanErr == nil:
		err = u.write()
	default:
		u.drain()
	}
	if scanErr != nil {
		return scanErr
	}
	return err
}

func (u *unpacker) write() error {
	defer u.drain() // what an archive has after its end, and what nobody takes
	sys.Untouched(unpackBuffer)
	return u.threads.Run(u.root, func() error { return archive.Unpack(u, "/", u.options) })
}

// Read is for the thread.
func (u *unpacker) Read(p []byte) (int, error) {
	for len(u.rest) == 0 {
		u.ring.give(u.piece)
		u.piece = <-u.tar
		if u.rest = u.piece; u.piece == nil {
			return 0, io.EOF
		}
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}

func (u *unpacker) drain() {
	u.ring.give(u.piece)
	for piece := range u.tar {
		u.ring.give(piece)
	}
}
