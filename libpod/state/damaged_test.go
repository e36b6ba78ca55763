package state_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// endless is what a file begins with that then has a hole of 4 TiB.
const endless = "{"

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
		{"spec.json", endless},
		{"state.json", endless},
	} {
		t.Run(tt.file+" "+tt.content, func(t *testing.T) {
			store := &state.Store{Dir: t.TempDir()}
			add(t, store, strings.Repeat("a", 64), "whole")
			id := strings.Repeat("b", 64)
			add(t, store, id, "broken")
			path := filepath.Join(store.ContainerDir(id), tt.file)
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.content == endless {
				if err := os.Truncate(path, 1<<42); err != nil {
					t.Fatal(err)
				}
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

// TestAContainerIsNotDamagedForWantOfDescriptors has callers who may open so many files more, and no other. Nobody is told to remove a
// container for that, or that there is none.
func TestAContainerIsNotDamagedForWantOfDescriptors(t *testing.T) {
	store := &state.Store{Dir: t.TempDir()}
	id := strings.Repeat("a", 64)
	add(t, store, id, "whole")
	remove := func(_ context.Context, l *state.Locked) error { return l.Remove(func() error { return nil }) }
	for name, call := range map[string]func() error{
		"Find":     func() error { _, err := store.Find("whole"); return err },
		"All":      func() error { _, err := store.All(); return err },
		"Transact": func() error { return store.Transact(t.Context(), id, state.OpRemove, remove) },
	} {
		for more := range 3 {
			if err := withFiles(t, more, call); err == nil && more < 2 && name != "Transact" || err != nil && !errors.Is(err, syscall.EMFILE) {
				t.Errorf("%s with %d files: %v", name, more, err)
			}
		}
	}
	if c, err := store.Find("whole"); err != nil || c.Damaged != nil {
		t.Fatalf("%+v, %v", c, err)
	}
}

// withFiles calls with room for so many files more than are open.
func withFiles(t *testing.T, more int, call func() error) error {
	t.Helper()
	var free uintptr
	for range 2 { // the first time Go opens files of its own
		f, err := os.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		free = f.Fd()
		f.Close()
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	set := func(l syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
			t.Fatal(err)
		}
	}
	set(syscall.Rlimit{Cur: uint64(free) + uint64(more), Max: before.Max})
	defer set(before)
	return call()
}

func add(t *testing.T, store *state.Store, id, name string) {
	t.Helper()
	nothing := func(string) error { return nil }
	if err := store.Create(t.Context(), &spec.Container{ID: id, Name: name}, state.Record{Status: state.Created}, nothing, nil, nil); err != nil {
		t.Fatal(err)
	}
}
