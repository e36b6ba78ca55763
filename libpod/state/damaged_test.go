package state_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// Whatever a disk makes of a container's files: the container is named, the others are as they were, and it can be
// removed.
func TestADamagedContainerIsNamedAndRemoved(t *testing.T) {
	for _, tt := range []struct{ file, content string }{
		{"spec.json", ""},
		{"spec.json", "garbage"},
		{"spec.json", "{}"},
		{"spec.json", `{"name": 5}`},
		{"spec.json", "null"},
		{"state.json", ""},
		{"state.json", "garbage"},
		{"state.json", "null"},
		{"state.json", `{"status": "happy"}`},
	} {
		t.Run(tt.file+" "+tt.content, func(t *testing.T) {
			store := &state.Store{Dir: t.TempDir()}
			add(t, store, strings.Repeat("a", 64), "whole")
			id := strings.Repeat("b", 64)
			add(t, store, id, "broken")
			if err := os.WriteFile(filepath.Join(store.ContainerDir(id), tt.file), []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := store.Find("broken")
			if err != nil || !errors.Is(c.Damaged, errdefs.ErrDamaged) || c.Spec.ID != id || c.Spec.Name != "broken" {
				t.Fatalf("%+v, %v", c, err)
			}
			if c, err := store.Find("whole"); err != nil || c.Damaged != nil {
				t.Fatalf("%+v, %v", c, err)
			}
			remove := func(_ context.Context, l *state.Locked) error { return l.Remove(func() error { return nil }) }
			if err := store.Transact(t.Context(), id, state.OpRemove, remove); err != nil {
				t.Fatal(err)
			}
			add(t, store, strings.Repeat("c", 64), "broken") // its name is free
		})
	}
}

func add(t *testing.T, store *state.Store, id, name string) {
	t.Helper()
	nothing := func(string) error { return nil }
	if err := store.Create(t.Context(), &spec.Container{ID: id, Name: name}, state.Record{Status: state.Created}, nothing, nil); err != nil {
		t.Fatal(err)
	}
}
