package seen

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// KeepNewest removes the oldest files of a directory, and what killed commands left half written, where there are more than n.
func KeepNewest(dir string, n int) error {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) <= n {
		return err
	}
	ages := map[string]time.Time{}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			ages[e.Name()] = info.ModTime()
		}
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return ages[b.Name()].Compare(ages[a.Name()]) })
	for _, e := range entries[n:] {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
