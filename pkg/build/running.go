package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

// What a build has found or made in the cache must not be pruned while it goes on. So a running build holds the lock of a file that
// says since when it runs, and prune leaves what was used since then. Finding something, and making something known, happens under a
// shared lock that prune has alone, so each sees what the other did.

// running is the sign that a build goes on.
type running struct{ lock *sys.Lock }

func (c *cache) runningDir() string { return filepath.Join(c.dir, "running") }

// run says that a build begins.
func (c *cache) run(ctx context.Context) (*running, error) {
	if err := os.MkdirAll(c.runningDir(), 0o700); err != nil {
		return nil, cacheError(err)
	}
	c.sweepRunning()
	hold, err := c.hold(ctx)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(c.runningDir(), "")
	if err != nil {
		return nil, cacheError(errors.Join(err, hold.Unlock()))
	}
	lock, err := sys.LockFile(f.Name(), false)
	return &running{lock}, errors.Join(err, f.Close(), hold.Unlock())
}

// sweepRunning removes what killed builds left, unless another build begins or remembers something just now: then the next does. What
// cannot be removed keeps nobody from building.
func (c *cache) sweepRunning() {
	if alone, free, err := sys.TryLockFile(c.pruneLock()); err == nil && free {
		_, _ = c.since()
		_ = alone.Unlock()
	}
}

// Close says that it has ended.
func (r *running) Close() error {
	return errors.Join(os.Remove(r.lock.File().Name()), r.lock.Unlock())
}

// hold keeps prune away for a moment. Who prunes much may have to be waited for.
func (c *cache) hold(ctx context.Context) (*sys.Lock, error) {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, cacheError(err)
	}
	return sys.AwaitLockFile(ctx, c.pruneLock(), true)
}

func (c *cache) pruneLock() string { return filepath.Join(c.dir, "prune.lock") }

// since is when the oldest build began that still runs; now where there is none. What killed builds left is removed.
func (c *cache) since() (time.Time, error) {
	oldest := time.Now()
	entries, err := os.ReadDir(c.runningDir())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return oldest, err
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() { // no build's
			continue
		}
		path := filepath.Join(c.runningDir(), entry.Name())
		info, err := entry.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		lock, over, lockErr := sys.TryLockFile(path)
		if err = errors.Join(err, lockErr); err != nil {
			return oldest, err
		}
		if over {
			if err := errors.Join(os.Remove(path), lock.Unlock()); err != nil && !errors.Is(err, os.ErrNotExist) {
				return oldest, err
			}
		} else if info.ModTime().Before(oldest) {
			oldest = info.ModTime()
		}
	}
	return oldest, nil
}
