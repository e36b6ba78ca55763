package build

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Who prunes much keeps builds waiting, and a build that gets a layer of a cache from elsewhere keeps those waiting who prune.
func TestWaitingForTheCacheCanBeEnded(t *testing.T) {
	engine := newEngine(t)
	newTrial(t, engine, Options{}).end()
	lock, err := sys.LockFile(filepath.Join(cacheDir(engine), "prune.lock"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock() //nolint:errcheck // nothing was written
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(ctx, engine, &Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a build began: %v", err)
	}
	if _, err := Prune(ctx, engine, PruneOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("something was removed: %v", err)
	}
}
