package source

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

// What was got lies in Dir/trees/<key>, and never changes. Who uses it shares the directory's lock; it is made as .new-<random>, whose
// lock goes along when it is renamed.
const newPrefix = ".new-"

func (s *Store) trees() string { return filepath.Join(s.Dir, "trees") }

// keyOf makes one name of all that makes a difference.
func keyOf(parts ...any) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return hex.EncodeToString(sum[:])
}

// find finds what is kept under a key, if it is there.
func (s *Store) find(key string) (dir string, lock *sys.Lock, err error) {
	dir = filepath.Join(s.trees(), key)
	lock, err = sys.LockDir(dir, true)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		return "", nil, err
	}
	if !isAt(lock.File(), dir) { // it was removed while we waited
		return "", nil, lock.Unlock()
	}
	now := time.Now()
	return dir, lock, os.Chtimes(dir, now, now) // for Prune
}

// isAt says whether an open directory still is what a path names.
func isAt(f *os.File, path string) bool {
	there, err := os.Lstat(path)
	if err != nil {
		return false
	}
	open, err := f.Stat()
	return err == nil && os.SameFile(open, there)
}

// draft is a directory that is being filled.
type draft struct {
	store *Store
	dir   string
	lock  *sys.Lock
}

func (s *Store) draft() (*draft, error) {
	if err := os.MkdirAll(s.trees(), 0o700); err != nil {
		return nil, err
	}
	if err := sys.Sweep(s.trees(), newPrefix, sys.TryLockDir); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(s.trees(), newPrefix)
	if err != nil {
		return nil, err
	}
	lock, err := sys.LockDir(dir, true)
	if err != nil {
		return nil, errors.Join(err, sys.RemoveAll(dir))
	}
	return &draft{store: s, dir: dir, lock: lock}, nil
}

// discard gives up a draft after err.
func (d *draft) discard(err error) error {
	return errors.Join(err, sys.RemoveAll(d.dir), d.lock.Unlock())
}

// keep gives what is in a draft its key. Somebody else may have been quicker: then it is theirs.
func (d *draft) keep(key string) (dir string, lock *sys.Lock, err error) {
	dir = filepath.Join(d.store.trees(), key)
	err = os.Rename(d.dir, dir)
	if err == nil {
		return dir, d.lock, sys.Sync(d.store.trees())
	}
	if !errors.Is(err, os.ErrExist) {
		return "", nil, d.discard(err)
	}
	if err := d.discard(nil); err != nil {
		return "", nil, err
	}
	dir, lock, err = d.store.find(key)
	if err == nil && lock == nil {
		err = fmt.Errorf("cannot keep what was downloaded: it was removed at once; try again")
	}
	return dir, lock, err
}

// Prune removes what was not used since a time, and returns how many bytes that was on disk.
func (s *Store) Prune(before time.Time) (freed int64, err error) {
	var errs []error
	for _, parent := range []string{s.trees(), filepath.Join(s.Dir, "git")} {
		entries, err := os.ReadDir(parent)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return freed, err
		}
		for _, e := range entries {
			n, err := prune(filepath.Join(parent, e.Name()), before)
			freed += n
			errs = append(errs, err)
		}
	}
	return freed, errors.Join(errs...)
}

func prune(dir string, before time.Time) (freed int64, err error) {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.ModTime().After(before) {
		return 0, nil //nolint:nilerr // somebody else removed it
	}
	lock, free, err := sys.TryLockDir(dir)
	if err != nil || !free {
		return 0, err
	}
	size, err := diskUsage(dir)
	return size, errors.Join(err, sys.RemoveAll(dir), lock.Unlock())
}

// Usage is how many bytes all that is kept takes on disk.
func (s *Store) Usage() (int64, error) { return diskUsage(s.Dir) }
