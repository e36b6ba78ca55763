package build

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/build/fileop"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Directories of RUN --mount=type=cache are below the builds' own, each with a lock beside it: who uses one shares the lock, and who is to
// use it alone has it to himself.

// cacheMount is such a directory in use.
type cacheMount struct {
	dir  string
	lock *sys.Lock
}

// Close lets others have it.
func (c *cacheMount) Close() error { return c.lock.Unlock() }

// openCaches opens the caches of a RUN, each once however many of its mounts show it, and as the strictest of them says. They are taken in
// the order of their names: so two steps that want the same ones never wait for each other.
func (m *mounts) openCaches(ctx context.Context) error {
	wanted := map[string][]*pb.Mount{}
	for _, pm := range m.op.Mounts {
		if pm.MountType != pb.MountType_CACHE {
			continue
		}
		id, err := m.cacheID(ctx, pm)
		if err != nil {
			return cannotMount(pm, err)
		}
		wanted[id] = append(wanted[id], pm)
	}
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		c, err := m.openCache(ctx, id, wanted[id])
		if err != nil {
			return cannotMount(wanted[id][0], err)
		}
		m.closers = append(m.closers, c)
		for _, pm := range wanted[id] {
			m.caches[pm] = c
		}
	}
	return nil
}

// cacheID names the directory of a mount.
func (m *mounts) cacheID(ctx context.Context, pm *pb.Mount) (string, error) {
	source := ""
	if pm.Input != none {
		content, err := m.mountContent(ctx, pm)
		if err != nil {
			return "", err
		}
		source = content
	}
	return key("cache mount", pm.CacheOpt.ID, source, pm.Selector), nil
}

// openCache finds or makes the directory of some mounts, filled with what their source has.
func (m *mounts) openCache(ctx context.Context, id string, all []*pb.Mount) (*cacheMount, error) {
	base := filepath.Join(m.cache.dir, "mounts")
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make a cache: %w", err)
	}
	var sharing pb.CacheSharingOpt // shared is the least, then private, then locked
	for _, pm := range all {
		sharing = max(sharing, pm.CacheOpt.Sharing)
	}
	c, err := takeCache(ctx, base, id, sharing)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	_ = os.Chtimes(c.lock.File().Name(), now, now) // when it was used last matters to prune only
	if err := m.fillCache(ctx, c, all[0]); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// takeCache waits for the lock of a cache; a private one that somebody has is replaced by the next.
func takeCache(ctx context.Context, base, id string, sharing pb.CacheSharingOpt) (*cacheMount, error) {
	path := filepath.Join(base, id)
	if sharing != pb.CacheSharingOpt_PRIVATE {
		lock, err := sys.AwaitLockFile(ctx, path+".lock", sharing == pb.CacheSharingOpt_SHARED)
		return &cacheMount{dir: path, lock: lock}, err
	}
	for n := 0; ; n++ {
		one := path
		if n > 0 {
			one += "." + strconv.Itoa(n)
		}
		lock, ok, err := sys.TryLockFile(one + ".lock")
		if ok || err != nil {
			return &cacheMount{dir: one, lock: lock}, err
		}
	}
}

// fillCache makes the directory whole or not at all: others may be at it too.
func (m *mounts) fillCache(ctx context.Context, c *cacheMount, pm *pb.Mount) (err error) {
	if _, err := os.Lstat(c.dir); err == nil {
		return nil
	}
	temp, done, err := beside(c.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	dir := filepath.Join(temp, "cache")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := m.copySource(ctx, dir, pm); err != nil {
		return err
	}
	if err := os.Rename(dir, c.dir); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot make a cache: %w", err)
	}
	return nil
}

func (m *mounts) copySource(ctx context.Context, dir string, pm *pb.Mount) (err error) {
	if pm.Input == none {
		return nil
	}
	r, err := m.open(m.inputs[pm.Input])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	action := &pb.FileAction{Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{
		Src: filepath.Join("/", pm.Selector), Dest: "/", DirCopyContents: true, FollowSymlink: true, Mode: -1, Timestamp: -1,
	}}}
	if err := fileop.Apply(ctx, action, fileop.Options{Dest: dir, Source: r.Tree}); err != nil {
		return err
	}
	return m.copyOwner(r, dir, pm.Selector)
}

// copyOwner gives a cache the owner and the mode of the directory that it begins with.
func (m *mounts) copyOwner(r *root, dir, selector string) error {
	top, err := os.OpenFile(r.Root, sys.OPath|sys.ODirectory, 0)
	if err != nil {
		return err
	}
	defer top.Close()
	from, err := sys.OpenIn(top, filepath.Join("/", selector), sys.OPath, sys.FollowInRoot)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	return own(dir, st.Uid, st.Gid, st.Mode&0o7777)
}
