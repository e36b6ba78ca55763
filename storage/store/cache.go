package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	lib "go.podman.io/storage"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
)

// The layers of a build's steps are of use to later builds although no image has them. Removing an image, by
// Podman too, removes all layers below it that no other image and no other layer needs. So a layer that is to stay
// gets a child: the keeper, an empty layer with a name, which no image will ever have. Sweeps leave layers with
// names alone, and what is below them.

// Cache makes a layer with do, on whatever is there, and keeps it for later builds. Until it is kept no sweep
// takes it for the rest of a killed copy.
func (s *Store) Cache(do func() (*Layer, error)) (l *Layer, err error) {
	err = s.Copy(func() error {
		if l, err = do(); err == nil {
			err = s.Keep(l.ID)
		}
		return err
	})
	return l, err
}

// Keep keeps a layer, and those below it, when images that have it are removed. Twice is harmless.
func (s *Store) Keep(layer string) error {
	if s.store.Exists(keeperID(layer)) {
		return nil
	}
	k, err := s.keeper(layer)
	if err == nil {
		err = errors.Join(s.add([]addition{k}, true), k.staged.Discard())
	}
	if err != nil {
		return errdefs.NoSpace(errdefs.Errorf(errdefs.ErrUnavailable, "cannot keep layer %.12s for later builds: %w", layer, err))
	}
	return nil
}

// keeper is the layer that keeps another one.
func (s *Store) keeper(layer string) (addition, error) {
	g, err := s.stageEmpty()
	r := lib.Layer{ID: keeperID(layer), Parent: layer, Names: []string{storage.KeeperName(layer)}}
	return addition{record: r, staged: g}, err
}

// Forget lets go of kept layers, and removes those that no image and no other layer needs. It returns the ids of those
// that are gone, the topmost first, whatever the order of layers. What was below them goes too, where only they needed it: their image was removed
// before.
func (s *Store) Forget(ctx context.Context, layers []string) (gone []string, err error) {
	below, err := s.below(layers)
	if err != nil {
		return nil, err
	}
	if gone, err = s.forget(ctx, layers); err != nil || len(gone) == 0 {
		return gone, err
	}
	return gone, s.sweepLayers(func(l *lib.Layer) bool { return below[l.ID] })
}

// below are the layers that others are on.
func (s *Store) below(layers []string) (map[string]bool, error) {
	all, err := s.store.Layers()
	if err != nil {
		return nil, openError(s.cfg, err)
	}
	parents := map[string]string{}
	for i := range all {
		parents[all[i].ID] = all[i].Parent
	}
	below := map[string]bool{}
	for _, id := range layers {
		for id = parents[id]; id != "" && !below[id]; id = parents[id] {
			below[id] = true
		}
	}
	return below, nil
}

func (s *Store) forget(ctx context.Context, layers []string) (gone []string, err error) {
	for _, id := range layers {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if err := s.DeleteLayer(keeperID(id)); err != nil {
			return nil, err
		}
	}
	left := layers
	for again := true; again; { // a layer goes after its children
		again = false
		var stay []string
		for _, id := range left {
			removed, err := s.removeUnused(id)
			if err != nil {
				return gone, err
			}
			if !removed {
				stay = append(stay, id)
				continue
			}
			gone = append(gone, id)
			again = true
		}
		left = stay
	}
	return gone, nil
}

func (s *Store) removeUnused(id string) (removed bool, err error) {
	if !s.store.Exists(id) {
		return false, nil
	}
	if err := s.DeleteLayer(id); err != nil {
		return false, err
	}
	return !s.store.Exists(id), nil
}

// keeperID is the same for every process that keeps the layer.
func keeperID(layer string) string {
	sum := sha256.Sum256([]byte("moss keeper " + layer))
	return hex.EncodeToString(sum[:])
}
