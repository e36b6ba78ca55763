package state_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mosscontainers/moss/libpod/state"
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
