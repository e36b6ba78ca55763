package store

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	lib "go.podman.io/storage"
	drivers "go.podman.io/storage/drivers"
	"go.podman.io/storage/pkg/archive"
)

// Staged is the content of a layer, unpacked beside the store, where nobody sees it. Any number of layers can be
// staged at once and in any order, since what is below a layer is said only when it is committed: that is a
// rename. Commit it or Discard it; what is left of a killed process goes as other temporary files do.
type Staged struct {
	dir    string       // holds the tree and the tar-split; "" once committed or discarded
	link   string       // its short name
	record lib.Layer    // what its content says
	mode   *fs.FileMode // of its root; nil: as that below it
	packed archive.Compression

	entries int // see content
}

// DiffID is the digest of the uncompressed tar.
func (g *Staged) DiffID() digest.Digest { return g.record.UncompressedDigest }

// From says which blob it was unpacked from, and how long that is: the library finds the layer by that too.
func (g *Staged) From(blob digest.Digest, size int64) {
	g.record.CompressedDigest, g.record.CompressedSize, g.record.CompressionType = blob, size, g.packed
}

func (g *Staged) tree() string { return filepath.Join(g.dir, "diff") }

func (g *Staged) split() string { return filepath.Join(g.dir, "tar-split.gz") }

// Stage unpacks a tar archive (plain, gzip, bzip2, xz or zstd). It is read once. diffID is what its uncompressed
// digest must be; "" takes any.
func (s *Store) Stage(ctx context.Context, stream io.Reader, diffID digest.Digest) (g *Staged, err error) {
	options, err := s.unpacking()
	if err != nil {
		return nil, layerError(ctx, err)
	}
	plain, how, err := s.decompress(&contextReader{ctx, stream})
	if err != nil {
		return nil, layerError(ctx, err)
	}
	defer closeJoined(&err, plain)
	g, err = s.stage(plain, func(c *content, tree string) error {
		c.full = diffID == "" // another tar of the same files will do
		return c.differs(s.unpack(c, tree, options), diffID)
	})
	if err != nil {
		return nil, layerError(ctx, err)
	}
	if diffID != "" && g.DiffID() != diffID { // also a gzip stream in a gzip stream
		return nil, layerError(ctx, errors.Join(errOtherDigest, g.Discard()))
	}
	g.packed = how
	return g, nil
}

// stage makes a directory for a layer and lets fill read the tar, which leaves the files in tree.
func (s *Store) stage(plain io.Reader, fill func(c *content, tree string) error) (*Staged, error) {
	g, err := s.newStaged()
	if err != nil {
		return nil, err
	}
	if err := g.fill(s, plain, fill); err != nil {
		return nil, errors.Join(err, g.Discard())
	}
	return g, nil
}

func (s *Store) newStaged() (*Staged, error) {
	if err := s.writable(); err != nil {
		return nil, err
	}
	temp, err := s.TempDir()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(temp, "layer-")
	if err != nil {
		return nil, err
	}
	g := &Staged{dir: dir}
	if err := g.begin(); err != nil {
		return nil, errors.Join(err, g.Discard())
	}
	return g, nil
}

// stageEmpty stages a layer without content.
func (s *Store) stageEmpty() (*Staged, error) {
	g, err := s.newStaged()
	if err == nil {
		err = os.Mkdir(g.tree(), 0o755)
	}
	return g, err
}

func (g *Staged) fill(s *Store, plain io.Reader, fill func(c *content, tree string) error) (err error) {
	c, err := s.newContent(plain, g.split())
	if err != nil {
		return err
	}
	if err = os.Mkdir(g.tree(), 0o755); err == nil {
		err = fill(c, g.tree())
	}
	g.record, g.mode, g.entries = c.record(), c.root, c.entries
	return cmp.Or(err, c.close(s)) // of a full disk both say the same
}

// unpacking is how this store wants layers unpacked; only its driver knows that.
func (s *Store) unpacking() (*archive.TarOptions, error) {
	s.optionsOnce.Do(func() {
		asked := &optionsDiffer{}
		output, err := s.store.PrepareStagedLayer(nil, asked)
		if err == nil {
			err = s.store.CleanupStagedLayer(output)
		}
		s.options, s.optionsErr = asked.options, err
	})
	return s.options, s.optionsErr
}

var errComposefs = errors.New("the store keeps files in the format of composefs, which Moss does not write; set use_composefs = \"false\" in storage.conf")

// optionsDiffer unpacks nothing: it is told how it should.
type optionsDiffer struct{ options *archive.TarOptions }

// ApplyDiff is called by the driver.
func (d *optionsDiffer) ApplyDiff(_ string, options *archive.TarOptions, differ *drivers.DifferOptions) (drivers.DriverWithDifferOutput, error) {
	if differ.Format != drivers.DifferOutputFormatDir {
		return drivers.DriverWithDifferOutput{}, errComposefs
	}
	d.options = options
	return drivers.DriverWithDifferOutput{}, nil
}

// Close is part of the interface.
func (*optionsDiffer) Close() error { return nil }

// Discard removes what was not committed.
func (g *Staged) Discard() error {
	if g == nil || g.dir == "" {
		return nil
	}
	err := removeAll(g.dir)
	g.dir = ""
	return err
}

func closeJoined(err *error, c io.Closer) { *err = errors.Join(*err, c.Close()) }
