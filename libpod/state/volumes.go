package state

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// A volume's directory is its lock. Who makes a container shares it until the container's record says that the volume is
// used; who removes a volume has it alone while looking who uses it.

// VolumeDir is where a volume is.
func (s *Store) VolumeDir(name string) string { return filepath.Join(s.Dir, "volumes", name) }

// NoVolume is the sentence for a volume that is not there.
func NoVolume(name string) error {
	return errdefs.Errorf(errdefs.ErrNotFound, "no such volume: %q; moss volume ls lists them", name)
}

// VolumeUsers are the containers that mount each volume, by the volume's name.
func (s *Store) VolumeUsers() (map[string][]string, error) {
	containers, err := s.All()
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, c := range containers {
		for _, m := range c.Spec.Mounts.List {
			if m.Type == spec.MountVolume && !c.Gone() {
				users[m.Source] = append(users[m.Source], c.Spec.ID)
			}
		}
	}
	return users, nil
}

// RemoveVolume makes the volume not be, then removes its files. settle is asked before, with the containers that use it.
// free is false where somebody is about to use it.
func (s *Store) RemoveVolume(name string, settle func(users []string) error) (free bool, err error) {
	dir, trash := s.VolumeDir(name), s.VolumeDir(hidden+rand.Text())
	lock, free, err := sys.TryLockDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return true, NoVolume(name)
	}
	if err != nil || !free {
		return free, err
	}
	defer lock.Unlock()
	users, err := s.VolumeUsers()
	if err == nil {
		err = settle(users[name])
	}
	if err != nil {
		return true, err
	}
	err = errdefs.NoSpace(os.Rename(dir, trash))
	if errors.Is(err, errdefs.ErrNoSpace) {
		s.giveUp(filepath.Join(dir, VolumeData))
		err = errdefs.NoSpace(os.Rename(dir, trash))
	}
	if err != nil {
		return true, fmt.Errorf("cannot remove volume %q: %w", name, err)
	}
	// From here on it only takes time: those who wait for the lock need not.
	return true, errors.Join(lock.Unlock(), sys.RemoveAll(trash))
}

// errUsed keeps RemoveUnusedVolume from a volume.
var errUsed = errors.New("used")

// RemoveUnusedVolume removes a volume that no container mounts or is about to, and says whether it did.
func (s *Store) RemoveUnusedVolume(name string) (removed bool, err error) {
	removed, err = s.RemoveVolume(name, func(users []string) error {
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

// RemoveUnusedVolumes removes those of some volumes that nobody uses: others may have mounted a container's anonymous ones by their names.
func (s *Store) RemoveUnusedVolumes(names []string) error {
	var errs []error
	for _, name := range names {
		_, err := s.RemoveUnusedVolume(name)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
