package build

import (
	"context"

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
	layers := m.inputs[m.op.Inputs[0].Input].layers
	parent := len(layers)
	for _, in := range m.op.Inputs[1:] {
		var err error
		if layers, err = m.put(ctx, layers, m.inputs[in.Input].layers); err != nil {
			return nil, 0, err
		}
	}
	return layers, parent, nil
}

// put puts layers on others than those that they were made on. Nothing is read of either: files are linked.
func (t *step) put(ctx context.Context, below, more snapshot) (snapshot, error) {
	if len(more) == 0 {
		return below, nil
	}
	images, err := t.images()
	if err != nil {
		return nil, err
	}
	if t.held == nil {
		if t.held, err = t.cache.hold(ctx); err != nil {
			return nil, err
		}
	}
	var moved []store.Layer
	_, err = images.Store().Cache(func() (*store.Layer, error) {
		if moved, err = images.Store().Rebase(ctx, more.ids(), below.top()); err != nil {
			return nil, err
		}
		return &moved[len(moved)-1], nil
	})
	if err != nil {
		return nil, err
	}
	for i := range moved {
		below = below.on(layer{ID: moved[i].ID, DiffID: moved[i].DiffID, Created: more[i].Created})
	}
	return below, nil
}

// difference is what one snapshot has more than another on which it was made.
type difference struct {
	*step
	op *pb.DiffOp
}

// sides are the snapshots that are compared.
func (d *difference) sides() (lower, upper snapshot) {
	side := func(input int64) snapshot {
		if input < 0 || input >= int64(len(d.inputs)) {
			return nil
		}
		return d.inputs[input].layers
	}
	return side(d.op.GetLower().GetInput()), side(d.op.GetUpper().GetInput())
}

func (d *difference) quick() string {
	for _, in := range d.inputs {
		if in.tree != nil {
			return ""
		}
	}
	lower, upper := d.sides()
	return key("difference", lower.content(), upper.content())
}

func (d *difference) content(context.Context) (string, error) {
	if k := d.quick(); k != "" {
		return k, nil
	}
	return "", errdefs.Errorf(errdefs.ErrUnavailable, "cannot take the difference to a build context")
}

func (d *difference) do(ctx context.Context) (snapshot, int, error) {
	lower, upper := d.sides()
	n := len(lower)
	if len(upper) < n || lower.content() != upper[:n].content() {
		return nil, 0, errdefs.Errorf(errdefs.ErrUnavailable, "cannot take the difference of two stages of which one was not made from the other")
	}
	layers, err := d.put(ctx, nil, upper[n:])
	return layers, 0, err
}
