package libpod

import (
	"cmp"
	"runtime"
	"slices"
	"sync"

	"github.com/mosscontainers/moss/libpod/state"
)

// List reads all containers, oldest first, without a lock. Containers that can no longer be understood
// are among them, with Damaged set.
func (e *Engine) List() ([]*state.Container, error) {
	ids, err := e.Store.IDs()
	if err != nil {
		return nil, err
	}
	found := make([]*state.Container, len(ids))
	workers := min(runtime.GOMAXPROCS(0), len(ids)/32+1)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(ids); i += workers {
				// one that was removed meanwhile is not there: nil
				found[i], _ = e.Store.Read(ids[i])
			}
		})
	}
	wg.Wait()
	found = slices.DeleteFunc(found, func(c *state.Container) bool { return c == nil || c.Gone() })
	for _, c := range found {
		c.State = c.State.Observed()
	}
	slices.SortFunc(found, func(a, b *state.Container) int {
		return cmp.Or(a.Spec.Created.Compare(b.Spec.Created), cmp.Compare(a.Spec.ID, b.Spec.ID))
	})
	return found, nil
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
