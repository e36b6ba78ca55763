package image

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/mosscontainers/moss/storage/store"
)

// incoming is a layer on its way into the store.
type incoming struct {
	diffID digest.Digest
	// stage unpacks it beside the store. What it returns has that digest.
	stage func(ctx context.Context) (*store.Staged, error)
}

// putLayers brings the layers of one image into the store, lowest first. As many as parallel are unpacked at once,
// whatever their order; each becomes a layer once those below it are. What the store has is not unpacked.
func (im *Images) putLayers(ctx context.Context, layers []incoming, parallel int) ([]store.Layer, error) {
	put, err := im.presentLayers(layers)
	if err != nil || len(put) == len(layers) {
		return put, err
	}
	layers = layers[len(put):]
	ready := make([]chan *store.Staged, len(layers))
	for i := range ready {
		ready[i] = make(chan *store.Staged, 1)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return im.stageAll(ctx, group, layers, ready, parallel) })
	group.Go(func() error {
		put, err = commitAll(ctx, put, ready)
		return err
	})
	err = group.Wait()
	for i := range ready {
		if len(ready[i]) > 0 {
			err = errors.Join(err, (<-ready[i]).Discard())
		}
	}
	return put, err
}

// presentLayers are those, from the lowest up, that need not come, or that another image has above something else.
func (im *Images) presentLayers(layers []incoming) (present []store.Layer, err error) {
	parent := ""
	for _, l := range layers {
		known, err := im.store.Known(parent, l.diffID)
		if err != nil || known == nil {
			return present, err
		}
		present = append(present, *known)
		parent = known.ID
	}
	return present, nil
}

// stageAll starts in order, so that the lowest layers tend to be ready first.
func (im *Images) stageAll(ctx context.Context, group *errgroup.Group, layers []incoming, ready []chan *store.Staged, parallel int) error {
	free := make(chan struct{}, max(parallel, 1))
	for i, l := range layers {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		group.Go(func() error {
			defer func() { <-free }()
			staged, err := im.stageOne(ctx, l)
			if err == nil {
				ready[i] <- staged
			}
			return err
		})
	}
	return nil
}

// stageOne links the files of a layer with the same content, where there is one above another parent.
func (im *Images) stageOne(ctx context.Context, l incoming) (*store.Staged, error) {
	if staged, err := im.store.StageCopy(ctx, l.diffID); staged != nil || err != nil {
		return staged, err
	}
	return l.stage(ctx)
}

func commitAll(ctx context.Context, put []store.Layer, ready []chan *store.Staged) ([]store.Layer, error) {
	parent := ""
	if len(put) > 0 {
		parent = put[len(put)-1].ID
	}
	for i := range ready {
		select {
		case staged := <-ready[i]:
			l, err := staged.Commit(ctx, parent)
			if err != nil {
				return put, err
			}
			put = append(put, *l)
			parent = l.ID
		case <-ctx.Done():
			return put, context.Cause(ctx)
		}
	}
	return put, nil
}
