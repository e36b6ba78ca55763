package state_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/spec"
)

func TestTheFirstContainersOfAStoreMayBeMadeAtOnce(t *testing.T) {
	const stores, at = 40, 8
	for i := range stores {
		store := &state.Store{Dir: filepath.Join(t.TempDir(), "moss")}
		errs := make([]error, at)
		var all sync.WaitGroup
		for j := range at {
			all.Go(func() {
				c := &spec.Container{ID: fmt.Sprintf("%064x", j+1), Name: fmt.Sprint("c", j)}
				c.Remove = true // without a sync
				errs[j] = store.Create(t.Context(), c, state.Record{Status: state.Created}, func(string) error { return nil }, nil, nil)
			})
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("store %d: %v", i, err)
		}
	}
}
