package store

import (
	"context"
	"errors"
)

// Stack is what to make of staged layers: each becomes a layer on top of the one before it.
type Stack struct {
	Parent string // the lowest one's; "" for none
	Staged []*Staged
	// Keep keeps them, as Store.Keep does, from the beginning. They are for later builds; Settle the store before an image has them.
	Keep bool
}

// Commit makes layers of staged ones. They come into the list of layers all at once, and unless they are for builds their files are on the disk
// before that. Those that are there already are taken. Nothing is staged any more after that, whether they were made or not.
func (s *Store) Commit(ctx context.Context, stack Stack) (made []Layer, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, layerError(ctx, errors.Join(err, stack.discard()))
	}
	var all []addition
	parent := stack.Parent
	for _, g := range stack.Staged {
		l := Layer{ID: layerID(parent, g.DiffID()), Parent: parent, DiffID: g.DiffID(), Size: g.record.UncompressedSize}
		made, parent = append(made, l), l.ID
		all = append(all, g.addition(l))
		if stack.Keep && err == nil {
			var k addition
			k, err = s.keeper(l.ID)
			all = append(all, k)
		}
	}
	if err == nil {
		err = s.add(all, stack.Keep)
	}
	for _, a := range all {
		err = errors.Join(err, a.staged.Discard())
	}
	if err != nil {
		return nil, layerError(ctx, err)
	}
	return made, nil
}

// commitOne is Commit for one layer.
func (s *Store) commitOne(ctx context.Context, parent string, staged *Staged, keep bool) (*Layer, error) {
	made, err := s.Commit(ctx, Stack{Parent: parent, Staged: []*Staged{staged}, Keep: keep})
	if err != nil {
		return nil, err
	}
	return &made[0], nil
}

func (k *Stack) discard() error {
	var errs []error
	for _, g := range k.Staged {
		errs = append(errs, g.Discard())
	}
	return errors.Join(errs...)
}
