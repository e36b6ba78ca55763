//go:build !moss_front

package libpod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/sys"
)

// A step has no record, and a build that is killed leaves the cgroup of its step behind. So there is a file that names it, locked by the process that the
// step is the child of, and the next step removes the groups of those that are not locked any more. Files are made and swept with a lock on all of them.

func (e *Engine) stepGroups() string {
	return filepath.Join(e.Config.Storage.GraphRoot, "moss", "build", "groups")
}

// noteGroup writes down the cgroup of a step, which may be none. forget is for when the step has ended.
func (e *Engine) noteGroup(id, group string) (forget func() error, err error) {
	if group == "" {
		return func() error { return nil }, nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot write down the cgroup of a step: %w", err)
		}
	}()
	if err := os.MkdirAll(e.stepGroups(), 0o700); err != nil {
		return nil, err
	}
	all, err := sys.LockDir(e.stepGroups(), false)
	if err != nil {
		return nil, err
	}
	defer all.Unlock()
	e.sweepStepGroups()
	path := filepath.Join(e.stepGroups(), id)
	lock, err := sys.LockFile(path, false)
	if err != nil {
		return nil, err
	}
	forget = func() error { return errors.Join(os.Remove(path), lock.Unlock()) }
	if err := os.WriteFile(path, []byte(group), 0o600); err != nil {
		return nil, errors.Join(err, forget())
	}
	return forget, nil
}

// sweepStepGroups ends and removes what killed builds left. What cannot be removed keeps nobody from building: the next step tries again.
func (e *Engine) sweepStepGroups() {
	entries, err := os.ReadDir(e.stepGroups())
	if err != nil {
		return
	}
	for _, entry := range entries {
		path := filepath.Join(e.stepGroups(), entry.Name())
		lock, over, err := sys.TryLockFile(path)
		if err != nil || !over {
			continue
		}
		group, err := os.ReadFile(path)
		known := filepath.Base(string(group)) == entry.Name() // or it was forgotten just now
		if err == nil && (!known || runtime.RemoveCgroup(string(group)) == nil) {
			_ = os.Remove(path) // as above
		}
		lock.Unlock()
	}
}
