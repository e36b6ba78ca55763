package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/mosscontainers/moss/pkg/build/export"
	"github.com/mosscontainers/moss/storage/image"
	"github.com/mosscontainers/moss/storage/store"
)

// foreign is what other builds remembered, in an image elsewhere. It is asked after our own, and what it says is believed for this build
// alone: nothing of it is recorded under the keys of steps. Layers come when a step needs them and are what their digests say.
type foreign struct {
	spec   export.CacheSpec
	once   sync.Once
	remote *image.Remote
	steps  map[string]sharedStep
	mu     sync.Mutex // one step's layers at a time
}

// open reads which steps there are. One that cannot be read is as good as empty, and the progress shows why.
func (f *foreign) open(ctx context.Context, s *solver) {
	f.once.Do(func() {
		name := f.spec.Ref
		if f.spec.Type == export.Local {
			name = f.spec.Dir
		}
		_ = s.events.note("importing cache manifest from "+name, func(*vertexLog) (err error) {
			if f.remote, err = f.read(ctx, s); err != nil {
				return err
			}
			f.steps, err = readCache(f.remote.Raw, &f.remote.Config)
			if err == nil && len(f.remote.Layers) != len(f.remote.Config.RootFS.DiffIDs) {
				f.steps, err = nil, fmt.Errorf("cannot use the cache %s: it has %d layers and tells of %d", name, len(f.remote.Layers), len(f.remote.Config.RootFS.DiffIDs))
			}
			return err
		})
	})
}

func (f *foreign) read(ctx context.Context, s *solver) (*image.Remote, error) {
	images, err := s.images()
	if err != nil {
		return nil, err
	}
	if f.spec.Type == export.Local {
		return images.OpenLayout(ctx, f.spec.Dir, f.spec.Tag)
	}
	registry := s.opts.Registry.Registry
	if f.spec.Output.Insecure {
		verify := false
		registry.TLSVerify = &verify
	}
	return images.OpenRegistry(ctx, f.spec.Ref, registry)
}

// Close lets go of it.
func (f *foreign) Close() error {
	if f.remote == nil {
		return nil
	}
	return f.remote.Close()
}

// recallElsewhere is what other builds remember under one of the keys, nil where that is nothing.
func (t *step) recallElsewhere(ctx context.Context, keys ...string) []result {
	if t.v.Meta.IgnoreCache {
		return nil
	}
	for _, f := range t.foreign {
		f.open(ctx, t.solver)
		for _, key := range keys {
			shared, ok := f.steps[key]
			if !ok {
				continue
			}
			layers, err := t.bring(ctx, f, shared)
			if err != nil { // it is made here instead
				fmt.Fprintln(t.log.output(2), "cannot use the cache: "+err.Error())
				continue
			}
			t.cached = true
			t.seen.Doubt()
			t.note(&Record{Name: t.v.Name(), Layers: layers, Parent: shared.Parent}, keys...)
			return []result{{layers: layers}}
		}
	}
	return nil
}

// bring gets the layers of a step that are not there. They are recorded under their content, for prune to know of them.
func (t *step) bring(ctx context.Context, f *foreign, shared sharedStep) (layers snapshot, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	hold, err := t.cache.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, hold.Unlock()) }()
	images, err := t.images()
	if err != nil {
		return nil, err
	}
	_, err = images.Store().Cache(func() (last *store.Layer, err error) {
		for _, l := range shared.Layers {
			if last, err = f.layer(ctx, images, layers.top(), l.Index); err != nil {
				return nil, err
			}
			layers = layers.on(layer{ID: last.ID, DiffID: last.DiffID, Created: l.Created})
		}
		return last, nil
	})
	if err != nil {
		return nil, err
	}
	r := &Record{Name: t.v.Name(), Layers: layers, Parent: shared.Parent}
	return layers, t.cache.add(r, key("imported", layers.content()))
}

// layer is a layer on top of parent that is there, or the cache's.
func (f *foreign) layer(ctx context.Context, images *image.Images, parent string, index int) (_ *store.Layer, err error) {
	diffID := f.remote.Config.RootFS.DiffIDs[index]
	if err := diffID.Validate(); err != nil {
		return nil, err
	}
	if known, err := images.Store().Known(parent, diffID); known != nil || err != nil {
		return known, err
	}
	var staged *store.Staged
	err = f.remote.Read(ctx, f.remote.Layers[index], func(ctx context.Context, stream io.Reader) error {
		staged, err = images.Store().Stage(ctx, stream, diffID)
		return err
	})
	if err != nil {
		return nil, err
	}
	made, err := images.Store().Commit(ctx, store.Stack{Parent: parent, Staged: []*store.Staged{staged}})
	if err != nil {
		return nil, err
	}
	return &made[0], nil
}
