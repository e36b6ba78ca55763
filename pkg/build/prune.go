package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage/store"
)

// PruneOptions say what of the cache is to go. Nothing that a running build has used goes.
type PruneOptions struct {
	All    bool             // also layers that images have
	Match  func(Entry) bool // nil: everything
	Limits Limits
}

// Limits are sizes in bytes, 0 where there is none. With any of them, what was used last longest ago goes first, and no more than needed.
type Limits struct {
	MaxUsed  int64 // how much there may be at most
	Reserved int64 // how much may stay in any case
	MinFree  int64 // how much is to be free on the disk
}

// Prune removes what of the cache nobody needs, and tells what.
func Prune(ctx context.Context, engine *libpod.Engine, o PruneOptions) (gone []Entry, err error) {
	c := openCache(engine)
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, cacheError(err)
	}
	lock, err := sys.AwaitLockFile(ctx, c.pruneLock(), false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if err := c.sweep(); err != nil {
		return nil, err
	}
	all, err := c.usage(engine)
	if err != nil {
		return nil, err
	}
	chosen, err := c.choose(all, o)
	if err != nil || len(chosen) == 0 {
		return nil, err
	}
	images, err := store.Open(ctx, engine.Config.Storage)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, images.Close()) }()
	return c.remove(ctx, images, chosen)
}

// choose says what is to go: what was used longest ago first, and layers before those below them.
func (c *cache) choose(all []Entry, o PruneOptions) ([]Entry, error) {
	var total int64
	var may []Entry
	for _, e := range all {
		total += e.Size
		if !e.InUse && (o.All || !e.Shared) && (o.Match == nil || o.Match(e)) {
			may = append(may, e)
		}
	}
	slices.SortStableFunc(may, func(a, b Entry) int { return cmp.Or(a.LastUsed.Compare(b.LastUsed), b.depth-a.depth) })
	keep, err := c.keep(total, o.Limits)
	if err != nil {
		return nil, err
	}
	for i, e := range may {
		if total <= keep {
			return may[:i], nil
		}
		total -= e.Size
	}
	return may, nil
}

// keep is how many bytes may stay; -1 is nothing at all, were it empty.
func (c *cache) keep(total int64, l Limits) (int64, error) {
	if l == (Limits{}) {
		return -1, nil
	}
	keep := l.MaxUsed
	if l.MinFree > 0 {
		free, err := sys.FreeSpace(c.dir)
		if err != nil {
			return 0, fmt.Errorf("cannot tell how much space is free: %w", err)
		}
		if l.MaxUsed == 0 {
			keep = total
		}
		keep = min(keep, total-max(l.MinFree-free, 0))
	}
	return max(keep, l.Reserved, 0), nil
}

// remove removes records before their layers: nobody finds what is about to go.
func (c *cache) remove(ctx context.Context, images *store.Store, chosen []Entry) (gone []Entry, err error) {
	var layers []string
	for _, e := range chosen {
		if err := removeFiles(e.records); err != nil {
			return nil, err
		}
		switch e.Type {
		case TypeLayer:
			layers = append(layers, e.ID)
			continue
		case TypeLocal:
			gone = append(gone, e)
			continue
		}
		removed, err := removeDir(e.dir)
		if err != nil {
			return gone, err
		}
		if removed {
			gone = append(gone, e)
		}
	}
	ids, err := images.Forget(ctx, layers)
	for _, e := range chosen {
		if slices.Contains(ids, e.ID) {
			gone = append(gone, e)
		}
	}
	return gone, err
}

func removeFiles(paths []string) error {
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot forget a step of a build: %w", err)
		}
	}
	return nil
}

// removeDir removes a directory whose lock nobody has. It is renamed first: what is half removed has its name no more.
func removeDir(dir string) (removed bool, err error) {
	take, path := sys.TryLockDir, dir
	if _, err := os.Stat(dir + ".lock"); err == nil {
		take, path = sys.TryLockFile, dir+".lock"
	}
	lock, free, err := take(path)
	if err != nil || !free {
		return false, ignoreMissing(err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	temp, done, err := beside(dir)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := os.Rename(dir, filepath.Join(temp, "removed")); err != nil {
		return false, fmt.Errorf("cannot remove %s: %w", dir, err)
	}
	return true, nil
}

// beside makes a directory for what is to become dir, or was dir: the store's one for temporary files is on another file system where images are
// in a store of their own.
func beside(dir string) (temp string, done func() error, err error) {
	return sys.TempDir(filepath.Dir(dir), besidePrefix)
}

const besidePrefix = ".new-"

// sweep removes what killed processes have left beside directories.
func (c *cache) sweep() error {
	var errs []error
	for _, kind := range directoryKinds {
		errs = append(errs, sys.Sweep(filepath.Join(c.dir, kind.dir), besidePrefix, sys.TryLockDir))
	}
	return errors.Join(errs...)
}
