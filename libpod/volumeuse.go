package libpod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// heldVolumes are those of a container that is being made: nobody removes them.
type heldVolumes struct {
	locks []*sys.Lock
	made  []string // the names of those that were not there before
}

// release lets go of them, once: the container's record says that it uses them.
func (h *heldVolumes) release() error {
	var errs []error
	for _, lock := range h.locks {
		errs = append(errs, lock.Unlock())
	}
	h.locks = nil
	return errors.Join(errs...)
}

// nameVolumes gives a container's anonymous volumes their names.
func nameVolumes(c *spec.Container) {
	for i := range c.Mounts.List {
		m := &c.Mounts.List[i]
		if m.Type == spec.MountVolume && m.Source == "" {
			m.Source, m.Anonymous = randomHex(), true
		}
	}
}

// useVolumes makes the volumes that a container's description names and that are not there. They stay until release, whoever wants to
// remove them. It does nothing the second time.
func (e *Engine) useVolumes(ctx Context, c *spec.Container, h *heldVolumes) error {
	if len(h.locks) > 0 {
		return nil
	}
	for _, m := range c.Mounts.List {
		if m.Type != spec.MountVolume {
			continue
		}
		lock, made, err := e.holdVolume(ctx, Volume{Name: m.Source, Anonymous: m.Anonymous, Labels: m.Labels, Options: m.VolumeOptions})
		if made {
			h.made = append(h.made, m.Source)
		}
		if err != nil {
			return err
		}
		h.locks = append(h.locks, lock)
	}
	return nil
}

// holdVolume shares the lock of a volume, which it makes if it is not there. Whoever removes one with its containers has the lock for as long as they take to end.
func (e *Engine) holdVolume(ctx Context, v Volume) (lock *sys.Lock, made bool, err error) {
	dir := e.volumeDir(v.Name)
	for {
		lock, err := sys.AwaitLockDir(ctx, dir, true)
		if err == nil && isAt(lock.File(), dir) {
			return lock, made, nil
		}
		if err == nil { // it was removed while we waited
			err = lock.Unlock()
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, made, fmt.Errorf("cannot use volume %q: %w", v.Name, err)
		}
		_, err = e.CreateVolume(v)
		if err != nil && !errors.Is(err, errdefs.ErrConflict) {
			return nil, made, err
		}
		made = err == nil
	}
}

// isAt says whether an open file still is what a path names.
func isAt(f *os.File, path string) bool {
	there, err := os.Lstat(path)
	if err != nil {
		return false
	}
	open, err := f.Stat()
	return err == nil && os.SameFile(open, there)
}

// RemoveVolume removes a volume and what is in it. With force its containers are removed before.
func (e *Engine) RemoveVolume(ctx Context, name string, force bool, timeout *uint) error {
	if _, err := e.Volume(name); err != nil {
		return err
	}
	free, err := e.Store.RemoveVolume(name, func(users []string) error {
		if len(users) > 0 && !force {
			return errdefs.Errorf(errdefs.ErrConflict, "cannot remove volume %q: it is used by container %s; remove that first, or both with -f", name, strings.Join(shorts(users), ", "))
		}
		for _, id := range users {
			if err := e.Remove(ctx, id, RemoveOptions{Force: true, Timeout: timeout}); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	if err == nil && !free {
		return errdefs.Errorf(errdefs.ErrConflict, "cannot remove volume %q: a container that uses it is just being made; try again", name)
	}
	return err
}

// PruneVolumes removes the volumes that no container mounts and match allows, and returns them. A dry run only returns them.
func (e *Engine) PruneVolumes(match func(*Volume) bool, dryRun bool) ([]*Volume, error) {
	if !dryRun {
		if err := e.sweepVolumes(); err != nil {
			return nil, err
		}
	}
	volumes, err := e.Volumes()
	if err != nil {
		return nil, err
	}
	users, err := e.Store.VolumeUsers()
	if err != nil {
		return nil, err
	}
	var removed []*Volume
	for _, v := range volumes {
		if len(users[v.Name]) > 0 || !match(v) || errors.Is(v.Damaged, errdefs.ErrNewer) {
			continue
		}
		gone, err := true, error(nil)
		if !dryRun {
			gone, err = e.Store.RemoveUnusedVolume(v.Name)
		}
		if err != nil {
			return removed, err
		}
		if gone {
			removed = append(removed, v)
		}
	}
	return removed, nil
}

// sweepVolumes removes what killed commands left half made or half removed.
func (e *Engine) sweepVolumes() error {
	return sys.Sweep(filepath.Join(e.Store.Dir, "volumes"), ".", sys.TryLockDir)
}
