package state_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Without its run directory nobody would see that it has ended: it would be there for good, and keep its name.
func TestAContainerThatCannotBeRemovedKeepsItsRunDirectory(t *testing.T) {
	store := &state.Store{Dir: t.TempDir()}
	id, runDir := strings.Repeat("a", 64), t.TempDir()
	add(t, store, id, "volatile")
	inTheWay := filepath.Join(store.Dir, "containers", "."+id, "file")
	if err := os.MkdirAll(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	recorder := &state.Recorder{Store: store, ID: id, Volatile: true, Trees: []string{runDir}}
	if err := recorder.Remove(); err == nil {
		t.Fatal("it could be removed")
	}
	if _, err := os.Stat(runDir); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(filepath.Dir(inTheWay)); err != nil {
		t.Fatal(err)
	}
	if err := recorder.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(runDir); !os.IsNotExist(err) {
		t.Errorf("the run directory is still there: %v", err)
	}
}

// Whoever makes a container may be killed before anybody sees it: its name, its volumes and its run directory go with it.
func TestForgetRemovesWhatIsHalfMade(t *testing.T) {
	store := &state.Store{Dir: t.TempDir()}
	id, runDir := strings.Repeat("a", 64), t.TempDir()
	c := &spec.Container{ID: id, Name: "half"}
	volume := spec.Mount{Type: spec.MountVolume, Source: strings.Repeat("b", 64), Target: "/data", Anonymous: true}
	c.Mounts.List = []spec.Mount{volume}
	nothing := func(string) error { return nil }
	if err := store.Create(t.Context(), c, state.Record{Status: state.Created}, nothing, nil, nil); err != nil {
		t.Fatal(err)
	}
	staging := filepath.Join(filepath.Dir(store.ContainerDir(id)), "."+id)
	if err := os.Rename(store.ContainerDir(id), staging); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(store.VolumeDir(volume.Source), "_data"), 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(store.Dir, "names", "half")
	recorder := &state.Recorder{Store: store, ID: id, Trees: []string{runDir}}
	forget := func(stays bool) {
		t.Helper()
		if err := recorder.Forget(); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{staging, link, runDir, store.VolumeDir(volume.Source)} {
			if _, err := os.Lstat(path); (err == nil) != stays {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	lock, err := sys.LockFile(filepath.Join(staging, "lock"), false)
	if err != nil {
		t.Fatal(err)
	}
	forget(true)
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	forget(false)
	forget(false)
}

// On a full disk a removal cannot always say that it has begun. The volumes of what has run stay then, as they do without -v.
func TestAnonymousVolumesStayWhenARemovalWithoutARecordWasKilled(t *testing.T) {
	store := &state.Store{Dir: t.TempDir()}
	id := strings.Repeat("a", 64)
	volume := spec.Mount{Type: spec.MountVolume, Source: strings.Repeat("b", 64), Target: "/data", Anonymous: true}
	c := &spec.Container{ID: id, Name: "ran"}
	c.Mounts.List = []spec.Mount{volume}
	nothing := func(string) error { return nil }
	if err := store.Create(t.Context(), c, state.Record{Status: state.Exited, StartedAt: time.Now()}, nothing, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(store.VolumeDir(volume.Source), state.VolumeData), 0o700); err != nil {
		t.Fatal(err)
	}
	staging := filepath.Join(filepath.Dir(store.ContainerDir(id)), "."+id)
	if err := os.Rename(store.ContainerDir(id), staging); err != nil {
		t.Fatal(err)
	}
	if err := (&state.Recorder{Store: store, ID: id}).Forget(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(staging); !os.IsNotExist(err) {
		t.Errorf("what was left is still there: %v", err)
	}
	if _, err := os.Stat(store.VolumeDir(volume.Source)); err != nil {
		t.Error(err)
	}
}

// One that was only created is to run some day; one that somebody still has locked is his.
func TestForgetLeavesContainersThatSomebodyWants(t *testing.T) {
	store := &state.Store{Dir: t.TempDir()}
	id := strings.Repeat("a", 64)
	nothing := func(string) error { return nil }
	c := &spec.Container{ID: id, Name: "volatile", Lifecycle: spec.Lifecycle{Remove: true}}
	record := state.Record{Status: state.Created}
	if err := store.Create(t.Context(), c, record, nothing, nil, nil); err != nil {
		t.Fatal(err)
	}
	recorder := &state.Recorder{Store: store, ID: id, Volatile: true}
	forget := func(what string, stays bool) {
		t.Helper()
		if err := recorder.Forget(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(store.ContainerDir(id)); (err == nil) != stays {
			t.Errorf("one that is %s: %v", what, err)
		}
	}
	forget("created", true)
	if err := os.RemoveAll(store.ContainerDir(id)); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("it did not start")
	err := store.Create(t.Context(), c, record, nothing, nil, func(_ context.Context, l *state.Locked) error {
		if err := l.Commit(); err != nil {
			return err
		}
		forget("locked", true)
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	forget("abandoned", false)
}
