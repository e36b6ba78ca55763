package store

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/opencontainers/go-digest"
	lib "go.podman.io/storage"
	drivers "go.podman.io/storage/drivers"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Rebase puts the contents of layers on top of parent, in that order, lowest first: what COPY --link does with a
// layer that was made without knowing what will be below. Nothing is unpacked or read again: files are linked,
// since nobody writes to a layer's. It returns the new layers, which are kept as Cache keeps them; those that are there already are taken.
func (s *Store) Rebase(ctx context.Context, layers []string, parent string) ([]Layer, error) {
	var rebased []Layer
	for _, id := range layers {
		l, err := s.Cache(func() (*Layer, error) { return s.rebaseOne(ctx, id, parent) })
		if err != nil {
			return rebased, err
		}
		rebased = append(rebased, *l)
		parent = l.ID
	}
	return rebased, nil
}

func (s *Store) rebaseOne(ctx context.Context, id, parent string) (*Layer, error) {
	from, err := s.store.Layer(id)
	if err != nil {
		return nil, layerError(ctx, err)
	}
	if from.UncompressedDigest == "" {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot put layer %.12s on another one: its digest is not known, since it was pulled in parts", id)
	}
	if known, err := s.Known(parent, from.UncompressedDigest); known != nil || err != nil {
		return known, err
	}
	staged, err := s.stageLinks(ctx, from)
	if err != nil {
		return nil, layerError(ctx, err)
	}
	return staged.Commit(ctx, parent)
}

// StageCopy stages a layer with the content of one that the store has above whatever parent; nil: it has none.
func (s *Store) StageCopy(ctx context.Context, diffID digest.Digest) (*Staged, error) {
	layers, err := s.store.LayersByUncompressedDigest(diffID)
	if errors.Is(err, lib.ErrLayerUnknown) || err == nil && len(layers) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, openError(s.cfg, err)
	}
	staged, err := s.stageLinks(ctx, &layers[0])
	if err != nil {
		return nil, layerError(ctx, err)
	}
	return staged, nil
}

// stageLinks makes a second tree of a layer's files. While that goes on another process may remove the layer; then
// files are missing in the new one, so it counts only if the layer still is there after that.
func (s *Store) stageLinks(ctx context.Context, from *lib.Layer) (staged *Staged, err error) {
	temp, err := s.TempDir()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(temp, "layer-")
	if err != nil {
		return nil, err
	}
	g := &Staged{store: s, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Discard())
		}
	}()
	tree, err := s.tree(from.ID)
	if err != nil {
		return nil, err
	}
	g.output = &drivers.DriverWithDifferOutput{
		Target: filepath.Join(dir, "diff"), Size: from.UncompressedSize, UncompressedDigest: from.UncompressedDigest,
		UIDs: from.UIDs, GIDs: from.GIDs,
	}
	if g.output.TarSplit, err = copySplit(filepath.Dir(filepath.Dir(filepath.Dir(tree))), from.ID, dir); err != nil {
		return nil, err
	}
	if err := linkTree(ctx, tree, g.output.Target); err != nil {
		return nil, err
	}
	if _, err := s.store.Layer(from.ID); err != nil {
		return nil, err
	}
	return g, nil
}

// copySplit decompresses a layer's tar-split, which the library keeps beside its records, into dir.
func copySplit(root, id, dir string) (*os.File, error) {
	packed, err := os.Open(filepath.Join(root, "overlay-layers", id+".tar-split.gz"))
	if err != nil {
		return nil, err
	}
	defer packed.Close()
	plain, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	split, err := os.OpenFile(filepath.Join(dir, "split"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(split, plain); err != nil { //nolint:gosec // the store wrote it
		return nil, errors.Join(err, split.Close())
	}
	return split, nil
}

// linkTree makes the directories of a layer's tree anew and links all else, whiteouts too.
func linkTree(ctx context.Context, from, to string) error {
	var dirs []string
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			return os.Link(path, filepath.Join(to, rel))
		}
		dirs = append(dirs, rel)
		return os.Mkdir(filepath.Join(to, rel), 0o700)
	})
	for i := len(dirs) - 1; i >= 0 && err == nil; i-- { // innermost first: what comes into a directory changes its time
		err = likeDir(filepath.Join(from, dirs[i]), filepath.Join(to, dirs[i]))
	}
	return err
}

// likeDir gives a new directory the owner, mode, attributes and times of another.
func likeDir(from, to string) error {
	var st syscall.Stat_t
	if err := syscall.Stat(from, &st); err != nil {
		return fmt.Errorf("cannot read %s: %w", from, err)
	}
	return errors.Join(
		os.Lchown(to, int(st.Uid), int(st.Gid)),
		sys.CopyAllXattrs(from, to),
		syscall.Chmod(to, st.Mode&0o7777),
		sys.SetLinkTimes(to, st.Atim, st.Mtim),
	)
}
