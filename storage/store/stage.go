package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	lib "go.podman.io/storage"
	drivers "go.podman.io/storage/drivers"
	"go.podman.io/storage/pkg/archive"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Staged is the content of a layer, unpacked beside the store, where nobody sees it. Any number of layers can be
// staged at once and in any order, since what is below a layer is said only when it is committed: that is a
// rename. Commit it or Discard it; what is left of a killed process goes as other temporary files do.
type Staged struct {
	store  *Store
	dir    string // holds the tree and the tar-split; "" once committed or discarded
	output *drivers.DriverWithDifferOutput
}

// DiffID is the digest of the uncompressed tar.
func (g *Staged) DiffID() digest.Digest { return g.output.UncompressedDigest }

// Stage unpacks a tar archive (plain, gzip, bzip2, xz or zstd). It is read once. diffID is what its uncompressed
// digest must be; "" takes any.
func (s *Store) Stage(ctx context.Context, stream io.Reader, diffID digest.Digest) (g *Staged, err error) {
	options, err := s.unpacking()
	if err != nil {
		return nil, layerError(ctx, err)
	}
	plain, err := archive.DecompressStream(&contextReader{ctx, stream})
	if err != nil {
		return nil, layerError(ctx, err)
	}
	defer closeJoined(&err, plain)
	g, err = s.stage(plain, func(c *content, tree string) error {
		return c.differs(unpack(c, tree, options), diffID)
	})
	if err != nil {
		return nil, layerError(ctx, err)
	}
	if diffID != "" && g.DiffID() != diffID { // also a gzip stream in a gzip stream
		return nil, layerError(ctx, errors.Join(errOtherDigest, g.Discard()))
	}
	return g, nil
}

// stage makes a directory for a layer and lets fill read the tar, which leaves the files in tree.
func (s *Store) stage(plain io.Reader, fill func(c *content, tree string) error) (*Staged, error) {
	temp, err := s.TempDir()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(temp, "layer-")
	if err != nil {
		return nil, err
	}
	g := &Staged{store: s, dir: dir}
	tree := filepath.Join(dir, "diff")
	c, err := newContent(plain, filepath.Join(dir, "split"))
	if err == nil {
		g.output = c.output(tree)
		err = os.Mkdir(tree, 0o755)
	}
	if err == nil {
		err = fill(c, tree)
	}
	if err != nil {
		return nil, errors.Join(err, g.Discard())
	}
	g.output = c.output(tree)
	return g, nil
}

// unpack has a thread that is confined to tree write the files, while c reads the same bytes. The library's own way is a
// process for each layer, whose start takes longer than a small layer.
func unpack(c *content, tree string, options *archive.TarOptions) error {
	root, err := os.Open(tree)
	if err != nil {
		return err
	}
	defer root.Close()
	out, in, err := sys.Pipe(true)
	if err != nil {
		return err
	}
	sys.WidenPipe(out, scanBuffer)
	ended := make(chan error, 1)
	go func() {
		err := sys.InRoot(root, func() error { return archive.Unpack(in, "/", options) })
		_, drainErr := io.Copy(io.Discard, in) // what an archive has after its end, and what nobody takes
		ended <- errors.Join(err, drainErr, in.Close())
	}()
	scanErr := errors.Join(c.scan(out), out.Close())
	if err = <-ended; scanErr != nil {
		return scanErr // the other one saw only that the archive ended too early
	}
	return err
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

// Commit makes a layer of it on top of parent, which may be "". Where that layer is there already, it is taken.
func (g *Staged) Commit(ctx context.Context, parent string) (*Layer, error) {
	diffID, size := g.DiffID(), g.output.Size
	id := layerID(parent, diffID)
	l, err := g.store.store.Layer(id)
	if errors.Is(err, lib.ErrLayerUnknown) {
		l, err = g.apply(id, parent)
	}
	if errors.Is(err, lib.ErrDuplicateID) { // another process was faster
		l, err = g.store.store.Layer(id)
	}
	if err = errors.Join(err, g.Discard()); err != nil {
		return nil, layerError(ctx, err)
	}
	return &Layer{ID: l.ID, Parent: l.Parent, DiffID: diffID, Size: size}, nil
}

func (g *Staged) apply(id, parent string) (*lib.Layer, error) {
	output := g.output
	if output.RootDirMode != nil {
		if err := os.Chmod(output.Target, *output.RootDirMode); err != nil {
			return nil, err
		}
	}
	return g.store.store.ApplyStagedLayer(lib.ApplyStagedLayerOptions{ID: id, ParentLayer: parent, DiffOutput: output})
}

// Discard removes what was not committed.
func (g *Staged) Discard() error {
	if g.dir == "" {
		return nil
	}
	var err error
	if g.output != nil && g.output.TarSplit != nil {
		err = g.output.TarSplit.Close()
	}
	err = errors.Join(err, removeAll(g.dir))
	g.dir = ""
	return err
}

func closeJoined(err *error, c io.Closer) { *err = errors.Join(*err, c.Close()) }
