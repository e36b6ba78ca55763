package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/opencontainers/go-digest"
	lib "go.podman.io/storage"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Rebase puts the contents of layers on top of parent, in that order, lowest first: what COPY --link does with a
// layer that was made without knowing what will be below. Nothing is unpacked or read again: files are linked,
// since nobody writes to a layer's. It returns the new layers, which are kept as Cache keeps them; those that are there already are taken.
func (s *Store) Rebase(ctx context.Context, layers []string, parent string) (rebased []Layer, err error) {
	err = s.Copy(func() error {
		stack := Stack{Keep: true}
		if rebased, stack.Staged, err = s.stageRebased(ctx, layers, parent); err != nil || len(stack.Staged) == 0 {
			return errors.Join(err, stack.discard())
		}
		stack.Parent = parent
		if n := len(rebased); n > 0 {
			stack.Parent = rebased[n-1].ID
		}
		made, err := s.Commit(ctx, stack)
		rebased = append(rebased, made...)
		return err
	})
	return rebased, err
}

// stageRebased returns those that are there, lowest first, and stages the others, which are above them.
func (s *Store) stageRebased(ctx context.Context, layers []string, parent string) (there []Layer, staged []*Staged, err error) {
	for _, id := range layers {
		from, err := s.store.Layer(id)
		if err != nil {
			return there, staged, layerError(ctx, err)
		}
		if from.UncompressedDigest == "" {
			return there, staged, errdefs.Errorf(errdefs.ErrUnavailable, "cannot put layer %.12s on another one: its digest is not known, since it was pulled in parts", id)
		}
		if len(staged) == 0 {
			known, err := s.Known(parent, from.UncompressedDigest)
			if err != nil {
				return there, staged, err
			}
			if known != nil {
				if err := s.Keep(known.ID); err != nil {
					return there, staged, err
				}
				there, parent = append(there, *known), known.ID
				continue
			}
		}
		g, err := s.stageLinks(ctx, from)
		if err != nil {
			return there, staged, layerError(ctx, err)
		}
		staged = append(staged, g)
	}
	return there, staged, nil
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
	g, err := s.newStaged()
	if err != nil {
		return nil, err
	}
	g.record = contentOf(from)
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Discard())
		}
	}()
	tree, err := s.tree(from.ID)
	if err != nil {
		return nil, err
	}
	if err := copyFile(s.splitOf(tree, from.ID), g.split()); err != nil {
		return nil, err
	}
	if err := linkTree(ctx, tree, g.tree()); err != nil {
		return nil, err
	}
	if _, err := s.store.Layer(from.ID); err != nil {
		return nil, err
	}
	return g, nil
}

// contentOf is what a layer's record says of its content alone.
func contentOf(l *lib.Layer) lib.Layer {
	return lib.Layer{
		UncompressedDigest: l.UncompressedDigest, UncompressedSize: l.UncompressedSize, UIDs: l.UIDs, GIDs: l.GIDs,
		CompressedDigest: l.CompressedDigest, CompressedSize: l.CompressedSize, CompressionType: l.CompressionType,
	}
}

// splitOf is the tar-split of a layer whose files are in tree, which may be another store's.
func (s *Store) splitOf(tree, id string) string {
	root := filepath.Dir(filepath.Dir(filepath.Dir(tree)))
	if root == s.cfg.ImageRoot() {
		return s.splitPath(id)
	}
	return filepath.Join(root, "overlay-layers", id+".tar-split.gz")
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
