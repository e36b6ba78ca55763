package libpod

import (
	"cmp"
	"slices"

	"github.com/mosscontainers/moss/libpod/state"
)

// List reads all containers, oldest first, without a lock. Containers that can no longer be understood
// are among them, with Damaged set.
func (e *Engine) List() ([]*state.Container, error) {
	found, err := e.Store.All()
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, (*state.Container).Gone)
	for _, c := range found {
		c.State = c.State.Observed()
	}
	slices.SortFunc(found, func(a, b *state.Container) int {
		return cmp.Or(a.Spec.Created.Compare(b.Spec.Created), cmp.Compare(a.Spec.ID, b.Spec.ID))
	})
	return found, nil
}

// Whole is Lookup for what needs all of a container: a damaged one is an error.
func (e *Engine) Whole(ref string) (*state.Container, error) {
	c, err := e.Lookup(ref)
	if err == nil && c.Damaged != nil {
		return nil, c.Damaged
	}
	return c, err
}

// Lookup finds one container by name or id, without a lock.
func (e *Engine) Lookup(ref string) (*state.Container, error) {
	c, err := e.Store.Find(ref)
	if err != nil {
		return nil, err
	}
	c.State = c.State.Observed()
	return c, nil
}
