package store

import (
	"bytes"
	"errors"
	"io"
	"os"

	"go.podman.io/storage/pkg/archive"

	"github.com/mosscontainers/moss/pkg/sys"
)

// smallTar is how large a layer is at most that is held in memory until all of it was read. Then it is unpacked at once: a larger one is passed on through
// a pipe while it comes, to somebody who is woken for each piece.
const smallTar = 512 << 10

// unpacker has a thread that is confined to a directory write the files of the tar that is written to it. The library's own way is a
// process for each layer, whose start takes longer than a small layer.
type unpacker struct {
	threads *sys.RootThreads
	root    *os.File
	options *archive.TarOptions
	held    []byte     // nothing was unpacked yet
	pipe    *os.File   // to the thread; nil while the tar is small
	ended   chan error // how it went
}

// unpack writes the files of the tar that c reads.
func (s *Store) unpack(c *content, tree string, options *archive.TarOptions) error {
	root, err := os.Open(tree)
	if err != nil {
		return err
	}
	defer root.Close()
	u := &unpacker{threads: &s.threads, root: root, options: options, held: c.room.held[:0]}
	if err = c.scan(u); err == nil && u.pipe == nil {
		return u.write(bytes.NewReader(u.held))
	}
	return u.wait(err)
}

// Write never waits for more than memory, or the pipe.
func (u *unpacker) Write(p []byte) (int, error) {
	if u.pipe == nil && len(u.held)+len(p) <= cap(u.held) {
		u.held = append(u.held, p...)
		return len(p), nil
	}
	if u.pipe == nil {
		if err := u.begin(); err != nil {
			return 0, err
		}
	}
	return u.pipe.Write(p)
}

// begin unpacks what is held, and then what comes through the pipe.
func (u *unpacker) begin() error {
	out, in, err := sys.Pipe(true)
	if err != nil {
		return err
	}
	sys.WidenPipe(out, scanBuffer)
	u.pipe, u.ended = out, make(chan error, 1)
	go func() {
		err := u.write(io.MultiReader(bytes.NewReader(u.held), in))
		_, drainErr := io.Copy(io.Discard, in) // what an archive has after its end, and what nobody takes
		u.ended <- errors.Join(err, drainErr, in.Close())
	}()
	return nil
}

// wait ends the pipe. After an error of who reads the tar, the other one saw only that it ended too early.
func (u *unpacker) wait(scanErr error) error {
	if u.pipe == nil {
		return scanErr
	}
	scanErr = errors.Join(scanErr, u.pipe.Close())
	if err := <-u.ended; scanErr == nil {
		return err
	}
	return scanErr
}

func (u *unpacker) write(tar io.Reader) error {
	return u.threads.Run(u.root, func() error { return archive.Unpack(tar, "/", u.options) })
}
