package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	lib "go.podman.io/storage"

	"github.com/mosscontainers/moss/pkg/sys"
)

// A copy into the store records its layers one by one, and its image last. What a copy that failed or was
// killed has recorded is of no use to anybody, but looks like the work of one that still runs. So a copy of
// Moss holds a shared lock; other tools' copies are left alone for layerAge.

// layerAge is how long a layer may wait for its image.
const layerAge = time.Hour

// Copy runs a copy into the store. If it fails, the layers that it made go again.
func (s *Store) Copy(do func() error) (err error) {
	start := time.Now()
	lock, err := s.copyLock(func(path string) (*sys.Lock, bool, error) {
		lock, err := sys.LockFile(path, true)
		return lock, err == nil, err
	})
	if err != nil {
		return openError(s.cfg, err)
	}
	err = do()
	if unlockErr := lock.Unlock(); err == nil {
		return unlockErr
	}
	ours := func(l *lib.Layer) bool {
		_, added := s.added.Load(l.ID)
		return added && l.Created.After(start)
	}
	if sweepErr := s.sweepLayers(ours); sweepErr != nil {
		return fmt.Errorf("%w; and layers of it may be left: %v", err, sweepErr) //nolint:errorlint // the first decides what kind it is
	}
	return err
}

// noting is the library's store, which notes the layers that a copy of the library's makes for us.
type noting struct {
	lib.Store
	added *sync.Map
}

// PutLayer is called for each layer of an archive.
func (n noting) PutLayer(id, parent string, names []string, label string, writeable bool, o *lib.LayerOptions, diff io.Reader) (*lib.Layer, int64, error) {
	layer, size, err := n.Store.PutLayer(id, parent, names, label, writeable, o, diff)
	if err == nil {
		n.added.Store(layer.ID, nil)
	}
	return layer, size, err
}

// ApplyStagedLayer is called for layers of which only some files were fetched.
func (n noting) ApplyStagedLayer(o lib.ApplyStagedLayerOptions) (*lib.Layer, error) {
	layer, err := n.Store.ApplyStagedLayer(o)
	if err == nil {
		n.added.Store(layer.ID, nil)
	}
	return layer, err
}

// SweepLayers removes the layers that killed copies left.
func (s *Store) SweepLayers() error {
	return s.sweepLayers(func(l *lib.Layer) bool { return time.Since(l.Created) > layerAge })
}

func (s *Store) copyLock(take func(path string) (*sys.Lock, bool, error)) (*sys.Lock, error) {
	path := filepath.Join(s.cfg.GraphRoot, "moss", "tmp", "copies")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	lock, ok, err := take(path)
	if !ok {
		return nil, err
	}
	return lock, nil
}

// sweepLayers removes the layers that match and that nothing uses, unless a copy of Moss runs. One with a name is somebody's.
func (s *Store) sweepLayers(match func(*lib.Layer) bool) (err error) {
	lock, err := s.copyLock(sys.TryLockFile)
	if err != nil || lock == nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	used, err := s.usedLayers()
	if err != nil {
		return err
	}
	layers, err := s.store.Layers()
	if err != nil {
		return openError(s.cfg, err)
	}
	var errs []error
	for again := true; again; { // topmost first: a layer goes after its children
		again = false
		for i := range layers {
			l := &layers[i]
			if l.ID == "" || len(l.Names) > 0 || used[l.ID] || l.ReadOnly || !match(l) || hasChild(layers, l.ID) {
				continue
			}
			errs = append(errs, s.DeleteLayer(l.ID))
			layers[i] = lib.Layer{}
			again = true
		}
	}
	return errors.Join(errs...)
}

func hasChild(layers []lib.Layer, id string) bool {
	for i := range layers {
		if layers[i].Parent == id {
			return true
		}
	}
	return false
}

// usedLayers are those that images and containers, also of other tools, name.
func (s *Store) usedLayers() (map[string]bool, error) {
	used := map[string]bool{}
	images, err := s.store.Images()
	if err != nil {
		return nil, openError(s.cfg, err)
	}
	for i := range images {
		used[images[i].TopLayer] = true
		for _, id := range images[i].MappedTopLayers {
			used[id] = true
		}
	}
	containers, err := s.store.Containers()
	if err != nil {
		return nil, openError(s.cfg, err)
	}
	for i := range containers {
		used[containers[i].LayerID] = true
	}
	return used, nil
}
