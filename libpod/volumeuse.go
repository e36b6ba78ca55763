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

// A volume's directory is its lock. Who makes a container shares it until the container's record says that the volume is
// used; who removes a volume has it alone while looking who uses it.

// useVolumes makes the volumes that a container's description names and that are not there, and gives its anonymous ones
// their names. They stay until release, whoever wants to remove them.
func (e *Engine) useVolumes(c *spec.Container) (release func() error, err error) {
	var locks []*sys.Lock
	release = func() error {
		var errs []error
		for _, lock := range locks {
			errs = append(errs, lock.Unlock())
		}
		return errors.Join(errs...)
	}
	for i := range c.Mounts.List {
		m := &c.Mounts.List[i]
		if m.Type != spec.MountVolume {
			continue
		}
		if m.Source == "" {
			m.Source, m.Anonymous = randomHex(), true
		}
		lock, err := e.holdVolume(m.Source, m.Anonymous)
		if err != nil {
			return nil, errors.Join(err, release())
		}
		locks = append(locks, lock)
	}
	return release, nil
}

// holdVolume shares the lock of a volume, which it makes if it is not there.
func (e *Engine) holdVolume(name string, anonymous bool) (*sys.Lock, error) {
	dir := e.volumeDir(name)
	for {
		lock, err := sys.LockDir(dir, true)
		if err == nil && isAt(lock.File(), dir) {
			return lock, nil
		}
		if err == nil { // it was removed while we waited
			err = lock.Unlock()
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("cannot use volume %q: %w", name, err)
		}
		_, err = e.CreateVolume(Volume{Name: name, Anonymous: anonymous})
		if err != nil && !errors.Is(err, errdefs.ErrConflict) {
			return nil, err
		}
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
func (e *Engine) RemoveVolume(ctx Context, name string, force bool) error {
	if _, err := e.Volume(name); err != nil {
		return err
	}
	free, err := e.deleteVolume(name, func(users []string) error {
		if len(users) > 0 && !force {
			return errdefs.Errorf(errdefs.ErrConflict, "cannot remove volume %q: it is used by container %s; remove that first, or both with -f", name, strings.Join(shorts(users), ", "))
		}
		for _, id := range users {
			if err := e.Remove(ctx, id, RemoveOptions{Force: true}); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
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

// deleteVolume makes the volume not be, then removes its files. settle is asked before, with the containers that use it.
// free is false where somebody is about to use it.
func (e *Engine) deleteVolume(name string, settle func(users []string) error) (free bool, err error) {
	dir, trash := e.volumeDir(name), e.volumeDir("."+randomHex())
	lock, free, err := sys.TryLockDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return true, noVolume(name)
	}
	if err != nil || !free {
		return free, err
	}
	defer lock.Unlock()
	users, err := e.VolumeUsers()
	if err == nil {
		err = settle(users[name])
	}
	if err != nil {
		return true, err
	}
	if err := os.Rename(dir, trash); err != nil {
		return true, fmt.Errorf("cannot remove volume %q: %w", name, err)
	}
	// From here on it only takes time: those who wait for the lock need not.
	return true, errors.Join(lock.Unlock(), os.RemoveAll(trash))
}

// errUsed keeps removeUnused from a volume.
var errUsed = errors.New("used")

// removeUnused removes a volume that no container mounts or is about to, and says whether it did.
func (e *Engine) removeUnused(name string) (removed bool, err error) {
	removed, err = e.deleteVolume(name, func(users []string) error {
		if len(users) > 0 {
			return errUsed
		}
		return nil
	})
	if errors.Is(err, errUsed) || errors.Is(err, errdefs.ErrNotFound) {
		return false, nil
	}
	return removed && err == nil, err
}

// PruneVolumes removes the volumes that no container mounts and match allows, and returns them.
func (e *Engine) PruneVolumes(match func(*Volume) bool) ([]*Volume, error) {
	if err := e.sweepVolumes(); err != nil {
		return nil, err
	}
	volumes, err := e.Volumes()
	if err != nil {
		return nil, err
	}
	users, err := e.VolumeUsers()
	if err != nil {
		return nil, err
	}
	var removed []*Volume
	for _, v := range volumes {
		if len(users[v.Name]) > 0 || !match(v) {
			continue
		}
		gone, err := e.removeUnused(v.Name)
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
