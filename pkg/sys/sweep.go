package sys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// settling is how old a directory must be before it is taken for a left-over: its maker locks it a moment after it made it.
const settling = 10 * time.Second

// Sweep removes the directories in parent whose names begin with prefix and that nobody works on any more: those whose
// lock, which lock takes without waiting, nobody holds.
func Sweep(parent, prefix string, lock func(dir string) (*Lock, bool, error)) error {
	entries, err := os.ReadDir(parent)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot look for what killed commands left: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		if info, err := e.Info(); err != nil || time.Since(info.ModTime()) < settling {
			continue
		}
		held, free, err := lock(dir)
		if err != nil || !free {
			continue
		}
		errs = append(errs, RemoveAll(dir), held.Unlock())
	}
	return errors.Join(errs...)
}
