package build

import (
	"context"
	"slices"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/store"
)

// merge puts the layers of its inputs one upon the other: COPY --link.
type merge struct {
	*step
	op *pb.MergeOp
}

func (m *merge) quick() string {
	parts := []string{"merge"}
	for _, in := range m.op.Inputs {
		r := m.inputs[in.Input]
		if r.tree != nil {
			return ""
		}
		parts = append(parts, r.layers.content())
	}
	return key(parts...)
}

func (m *merge) content(context.Context) (string, error) {
	if k := m.quick(); k != "" {
		return k, nil
	}
	return "", errdefs.Errorf(errdefs.ErrUnavailable, "cannot merge a build context")
}

func (m *merge) do(ctx context.Context) (snapshot, int, error) {
	images, err := m.images()
	if err != nil {
		return nil, 0, err
	}
	if m.held, err = m.cache.hold(); err != nil {
		return nil, 0, err
	}
	layers := m.inputs[m.op.Inputs[0].Input].layers
	parent := len(layers)
	for _, in := range m.op.Inputs[1:] {
		more := m.inputs[in.Input].layers
		if len(more) == 0 {
			continue
		}
		var moved []store.Layer
		_, err := images.Store().Cache(func() (*store.Layer, error) {
			if moved, err = images.Store().Rebase(ctx, more.ids(), layers.top()); err != nil {
				return nil, err
			}
			return &moved[len(moved)-1], nil
		})
		if err != nil {
			return nil, 0, err
		}
		for i := range moved {
			layers = layers.on(layer{ID: moved[i].ID, DiffID: moved[i].DiffID, Created: more[i].Created})
		}
	}
	return layers, parent, nil
}

// diff is what one snapshot has more than another on which it was made.
func (t *step) diff(op *pb.DiffOp) ([]result, error) {
	side := func(input int64) snapshot {
		if input < 0 || input >= int64(len(t.inputs)) {
			return nil
		}
		return t.inputs[input].layers
	}
	lower, upper := side(op.GetLower().GetInput()), side(op.GetUpper().GetInput())
	if len(upper) < len(lower) || !slices.EqualFunc(lower, upper[:len(lower)], func(a, b layer) bool { return a.ID == b.ID }) {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot take the difference of two stages of which one was not made from the other")
	}
	if len(lower) == 0 {
		return []result{{layers: upper}}, nil
	}
	return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot take the difference of two stages: that is not known yet")
}
