package build

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage"
)

// cache remembers which layers steps have made: a file for each key, and a lock for each key that is being worked on.
type cache struct {
	dir string
	has func(layer string) bool // a layer is in the store
}

// Record is what is remembered of a step.
type Record struct {
	Name    string    `json:"name"`   // of the step, for people
	Layers  snapshot  `json:"layers"` // its root file system
	Parent  int       `json:"parent"` // how many of them its input had
	Created time.Time `json:"created"`
	data    []byte    // of the file that it was read from
}

// results are those of a step that was not carried out again.
func (r *Record) results() []result { return []result{{layers: r.Layers}} }

// key makes a name of what decides what a step gives.
func key(parts ...string) string {
	sum := digest.Canonical.Digester()
	for _, p := range parts {
		fmt.Fprintf(sum.Hash(), "%d:%s,", len(p), p)
	}
	return sum.Digest().Encoded()
}

func (c *cache) path(key string) string { return filepath.Join(c.dir, stepFile(key)) }

// stepFile is where a key's record is, below the directory of what is remembered.
func stepFile(key string) string { return filepath.Join("steps", key[:2], key+".json") }

// find is the record of a key whose layers are there still; nil where there is none.
func (c *cache) find(ctx context.Context, key string) *Record {
	hold, err := c.hold(ctx)
	if err != nil {
		return nil
	}
	defer hold.Unlock()
	data, err := os.ReadFile(c.path(key))
	if err != nil {
		return nil
	}
	r := &Record{data: data}
	if json.Unmarshal(data, r) != nil || len(r.Layers) == 0 || !c.has(r.Layers.top()) {
		return nil // what is damaged is made anew
	}
	now := time.Now()
	_ = os.Chtimes(c.path(key), now, now) // when it was used last matters to prune only
	return r
}

// add remembers what a step gave, under all its keys.
func (c *cache) add(r *Record, keys ...string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := sys.WriteWhole(c.path(key), sys.Bytes(data)); err != nil {
			return cacheError(err)
		}
	}
	return nil
}

func cacheError(err error) error {
	return errdefs.NoSpace(fmt.Errorf("cannot remember a step of the build: %w", err))
}

// lock waits for other builds that work on the same step. The files stay: there are 4096 at most.
func (c *cache) lock(ctx context.Context, key string) (*sys.Lock, error) {
	dir := filepath.Join(c.dir, "locks")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, cacheError(err)
	}
	return sys.AwaitLockFile(ctx, filepath.Join(dir, key[:3]), false)
}

func (s *solver) hasLayer(id string) bool {
	_, _, err := storage.LowerDirs(s.engine.Config.Storage, id)
	return err == nil
}
