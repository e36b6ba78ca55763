package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Large temporary files (archives, layers on their way) are kept beside the store, in a
// directory of the process's own: ImageRoot/moss/tmp/<random>. Whoever lives holds a lock on the file "lock" in
// it, so that the next process finds and removes what a killed one left.

// TempDir is this store's directory for large temporary files. Close removes it.
func (s *Store) TempDir() (string, error) {
	s.tempOnce.Lock()
	defer s.tempOnce.Unlock()
	if s.temp != nil {
		return filepath.Dir(s.temp.File().Name()), nil
	}
	err := s.withTemps(func(base string) error {
		if err := s.sweepTemps(base); err != nil {
			return err
		}
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			return err
		}
		sys.SpreadChildren(dir) // layers are large, and have nothing to do with each other
		s.temp, err = sys.LockFile(filepath.Join(dir, tempLock), false)
		return err
	})
	if err != nil {
		return "", openError(s.cfg, err)
	}
	return filepath.Dir(s.temp.File().Name()), nil
}

const tempLock = "lock"

// SweepTemps removes what killed processes left. Nobody may call it who has locked a list.
func (s *Store) SweepTemps() error {
	return errors.Join(s.withTemps(s.sweepTemps), s.sweepWrites("layers"), s.sweepWrites("images"))
}

// writePrefix begins the names of the files that the library writes before they are the list, or what else it keeps of a layer.
const writePrefix = ".tmp-"

// sweepWrites removes those of processes that were killed. The library writes a list under its lock, but not what it keeps of a layer, so none is removed that is new.
func (s *Store) sweepWrites(kind string) error {
	files, err := filepath.Glob(filepath.Join(s.listDir(kind), writePrefix+"*"))
	if err != nil || len(files) == 0 {
		return err
	}
	var l list
	if err := l.lock(s, kind); err != nil {
		return err
	}
	defer l.unlock()
	var errs []error
	for _, file := range files {
		if info, err := os.Lstat(file); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > layerAge {
			errs = append(errs, os.Remove(file))
		}
	}
	return errors.Join(errs...)
}

// withTemps keeps others from making and sweeping directories: one that is new is not locked yet.
func (s *Store) withTemps(do func(base string) error) error {
	base := filepath.Join(s.cfg.ImageRoot(), "moss", "tmp") // staged layers are renamed from here
	if err := os.MkdirAll(base, 0o700); err != nil {
		return err
	}
	lock, err := sys.LockFile(filepath.Join(base, tempLock), false)
	if err != nil {
		return err
	}
	return errors.Join(do(base), lock.Unlock())
}

func (s *Store) sweepTemps(base string) error {
	entries, err := os.ReadDir(base)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if entry.IsDir() {
			errs = append(errs, s.sweepTemp(filepath.Join(base, entry.Name())))
		}
	}
	return errors.Join(errs...)
}

// sweepTemp removes a directory whose process is gone, and what it has half done.
func (s *Store) sweepTemp(dir string) error {
	lock, free, err := sys.TryLockFile(filepath.Join(dir, tempLock))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its process has just removed it
	}
	if err != nil || !free {
		return err
	}
	begun, err := filepath.Glob(filepath.Join(dir, begunPrefix+"*"))
	for _, file := range begun {
		err = errors.Join(err, s.undo(file))
	}
	if err == nil {
		err = removeAll(dir)
	}
	if errors.Is(err, syscall.ENOTEMPTY) {
		err = nil // what the process had started, to unpack a layer perhaps, has not noticed yet: the next sweep removes the rest
	}
	return errors.Join(err, lock.Unlock())
}

// closeTemp removes the directory of this process.
func (s *Store) closeTemp() error {
	if s.temp == nil {
		return nil
	}
	dir := filepath.Dir(s.temp.File().Name())
	err := s.temp.Unlock() // first: network file systems keep the directory of a file that is open
	if err != nil {
		err = fmt.Errorf("cannot release the directory for temporary files: %w", err)
	}
	s.temp = nil
	removeErr := removeAll(dir)
	if errors.Is(removeErr, syscall.ENOTEMPTY) {
		removeErr = nil // who sweeps has just locked it, which makes the lock anew, and removes it
	}
	return errors.Join(err, removeErr)
}
