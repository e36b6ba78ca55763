package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// RemoveOptions say what may go with a container.
type RemoveOptions struct {
	Force   bool  // stop it first
	Timeout *uint // seconds for the stop
	Volumes bool  // its anonymous volumes too
	// If, when set, is asked once more under the lock: prune uses it.
	If func(*state.Container) bool
}

// Remove makes a container not be.
func (e *Engine) Remove(ctx Context, ref string, opts RemoveOptions) error {
	c, err := e.Lookup(ref)
	if err != nil {
		return err
	}
	// One that another command is just starting is found out only by its lock: then it runs, and is stopped.
	for range 3 {
		err = e.removeOnce(ctx, c, opts)
		if !opts.Force || !errors.Is(err, errdefs.ErrConflict) {
			break
		}
		if c, err = e.Lookup(c.Spec.ID); err != nil {
			break
		}
	}
	if opts.Force && errors.Is(err, errdefs.ErrNotFound) {
		return nil // it was to remove itself, and has
	}
	return err
}

func (e *Engine) removeOnce(ctx Context, c *state.Container, opts RemoveOptions) error {
	switch {
	case c.Damaged != nil:
		if err := e.endDamaged(ctx, c, opts); err != nil {
			return err
		}
	case opts.Force && c.State.Active():
		if err := e.Stop(ctx, c.Spec.ID, StopOptions{Timeout: opts.Timeout}); err != nil {
			return err
		}
	}
	return e.Store.Transact(ctx, c.Spec.ID, state.OpRemove, func(ctx context.Context, l *state.Locked) error {
		if opts.If != nil && !opts.If(l.Container) {
			return nil
		}
		if l.Damaged != nil && len(e.stillThere(c.Spec.ID)) > 0 { // it was being started, or damaged, just now
			return stillRuns(c)
		}
		return e.remove(ctx, l, opts.Volumes)
	})
}

func (e *Engine) remove(ctx Context, l *state.Locked, volumes bool) error {
	c, keeper := l.Spec, l.State.Monitor
	group := l.State.Cgroup
	if group == "" && l.State.StartedAt.IsZero() { // it never was started, or who did was killed before that was recorded
		group = e.bundledGroup(c.ID)
	}
	if err := runtime.RemoveCgroup(group); err != nil {
		return err
	}
	var left []string
	if volumes || c.Remove {
		left = c.AnonymousVolumes()
	}
	if len(left) > 0 {
		if err := l.RemoveVolumes(); err != nil {
			return err
		}
	}
	return l.Remove(func() error {
		for _, dir := range slices.Compact([]string{e.runDir(c.ID), e.runDirOf(l.Container)}) {
			if err := removeRunDir(ctx, c.ID, dir, keeper); err != nil {
				return err
			}
		}
		return e.Store.RemoveUnusedVolumes(left)
	})
}

// removeRunDir removes a run directory of a container that had this monitor.
func removeRunDir(ctx Context, id, dir string, keeper sys.Process) error {
	err := os.RemoveAll(dir)
	if errors.Is(err, syscall.ENOTEMPTY) {
		// The monitor has told the exit code, and is just having an OCI runtime tidy up in there.
		if _, err := waitProcess(ctx, keeper, time.Minute); err != nil {
			return err
		}
		err = os.RemoveAll(dir)
	}
	if err != nil {
		return fmt.Errorf("cannot remove the run directory of container %s: %w", names.Short(id), err)
	}
	return nil
}

// Prune removes the containers that do not run and that match allows, and what killed commands
// left. It returns the ids of the removed ones.
func (e *Engine) Prune(ctx Context, match func(*state.Container) bool) ([]string, error) {
	if err := errors.Join(e.Store.Sweep(e.runDir), e.sweepVolumes()); err != nil {
		return nil, err
	}
	if err := errors.Join(e.endStrays(ctx), e.removeAllGone(ctx)); err != nil {
		return nil, err
	}
	containers, err := e.List()
	if err != nil {
		return nil, err
	}
	idle := func(c *state.Container) bool { return c.Damaged == nil && !c.State.Active() && match(c) }
	var removed []string
	var errs []error
	for _, c := range containers {
		if !idle(c) {
			continue
		}
		err := e.Remove(ctx, c.Spec.ID, RemoveOptions{If: idle})
		switch {
		case err == nil:
			removed = append(removed, c.Spec.ID)
		case !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrConflict): // somebody was faster to remove or to start it
			errs = append(errs, err)
		}
	}
	return removed, errors.Join(errs...)
}

// Tidy removes what killed commands have left half made or half removed.
func (e *Engine) Tidy() error { return errors.Join(e.Store.SweepDirs(e.runDir), e.sweepVolumes()) }

// removeAllGone removes those that should have removed themselves, and whose monitors cannot any more.
func (e *Engine) removeAllGone(ctx Context) error {
	containers, err := e.Store.All()
	if err != nil {
		return err
	}
	gone := func(c *state.Container) bool {
		seen := c.State.Observed()
		return c.Gone() && !seen.Active()
	}
	var errs []error
	for _, c := range containers {
		if !gone(c) {
			continue
		}
		err := e.Remove(ctx, c.Spec.ID, RemoveOptions{If: gone})
		if !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrConflict) { // somebody was faster to remove or to start it
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
