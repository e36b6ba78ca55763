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
// whatever their order; when all are, they become layers together. What the store has is not unpacked.
func (im *Images) putLayers(ctx context.Context, layers []incoming, parallel int) ([]store.Layer, error) {
	put, err := im.presentLayers(layers)
	if err != nil || len(put) == len(layers) {
		return put, err
	}
	layers = layers[len(put):]
	stack := store.Stack{Staged: make([]*store.Staged, len(layers))}
	if len(put) > 0 {
		stack.Parent = put[len(put)-1].ID
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(parallel, 1))
	for i, l := range layers { // in order, so that a source that is read in order finds it so
		group.Go(func() (err error) {
			if err = context.Cause(groupCtx); err == nil {
				stack.Staged[i], err = im.stageOne(groupCtx, l)
			}
			if err == nil {
				im.store.SettleSoon(stack.Staged[i])
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return put, errors.Join(err, discard(stack.Staged...))
	}
	made, err := im.store.Commit(ctx, stack)
	return append(put, made...), err
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

// stageOne links the files of a layer with the same content, where there is one above another parent.
func (im *Images) stageOne(ctx context.Context, l incoming) (*store.Staged, error) {
	if staged, err := im.store.StageCopy(ctx, l.diffID); staged != nil || err != nil {
		return staged, err
	}
	return l.stage(ctx)
}

// discard removes what was staged; nil is nothing.
func discard(all ...*store.Staged) error {
	var errs []error
	for _, staged := range all {
		if staged != nil {
			errs = append(errs, staged.Discard())
		}
	}
	return errors.Join(errs...)
}
