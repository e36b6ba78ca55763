package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Recorder writes what a monitor reports into its container's record. It implements monitor.Recorder.
type Recorder struct {
	Store *Store
	ID    string
	// Volatile says that the container is removed at its end. Trees go with it, and Volumes that nobody uses.
	Volatile bool
	Trees    []string
	Volumes  []string
}

var _ monitor.Recorder = (*Recorder)(nil)

// Hold is described at monitor.Recorder.
func (r *Recorder) Hold() (*os.File, error) {
	ctx, cancel := context.WithTimeout(context.Background(), unmountTime)
	defer cancel()
	lock, err := sys.AwaitLockDir(ctx, filepath.Join(r.Store.dir(r.ID), LayerDir), false)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "the layer of container %s is mounted still, in another container or on another machine that has the same store", names.Short(r.ID))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot lock the layer of container %s: %w", names.Short(r.ID), err)
	}
	return lock.File(), nil
}

// unmountTime is how long who mounts a layer waits for who has it mounted, and is about to end.
const unmountTime = 10 * time.Second

// Began is described at monitor.Recorder.
func (r *Recorder) Began() error {
	if r.Volatile {
		return nil // most are gone before anybody misses that; until Lasts the run directory tells
	}
	c, err := r.Store.Read(r.ID)
	if err != nil || c.Damaged != nil {
		return errors.Join(err, c.Damaged)
	}
	l := &Locked{Container: c, store: r.Store} // whoever started the container locked it for us
	l.State = l.State.Observed()
	l.State.Intent = None
	return l.write(false)
}

// Lasts is described at monitor.Recorder.
func (r *Recorder) Lasts() error {
	return r.Store.Transact(context.Background(), r.ID, OpUpdate, func(_ context.Context, l *Locked) error {
		if !l.State.Active() {
			return errdefs.Errorf(errdefs.ErrConflict, "it has ended")
		}
		return nil
	})
}

// Running is described at monitor.Recorder.
func (r *Recorder) Running(pids monitor.Pids, exit monitor.Exit) error {
	return r.Store.Transact(context.Background(), r.ID, OpResume, func(_ context.Context, l *Locked) error {
		l.State.begin(pids, now())
		l.State.RestartCount = exit.Restarts + 1
		return nil
	})
}

// Exited is described at monitor.Recorder.
func (r *Recorder) Exited(exit monitor.Exit, again bool) (stop bool, err error) {
	ended := func(_ context.Context, l *Locked) error {
		l.State.ended(exit)
		return nil
	}
	if again {
		err := r.Store.Transact(context.Background(), r.ID, OpPause, ended)
		if !errors.Is(err, errdefs.ErrConflict) {
			return false, err
		}
	}
	if r.Volatile {
		return true, nil // Remove follows
	}
	return true, r.Store.Transact(context.Background(), r.ID, OpExit, func(ctx context.Context, l *Locked) error {
		l.Unlink()
		return ended(ctx, l)
	})
}

// StopRequested is described at monitor.Recorder.
func (r *Recorder) StopRequested() (bool, error) {
	c, err := r.Store.Read(r.ID)
	if errors.Is(err, errdefs.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return c.State.Status != Restarting, c.Damaged
}

// Remove is described at monitor.Recorder.
func (r *Recorder) Remove() error {
	err := r.Store.Transact(context.Background(), r.ID, OpExit, func(_ context.Context, l *Locked) error {
		l.Unlink()
		if l.State.Restarter.Alive() {
			exit, err := monitor.ReadExit(l.State.RunDir)
			l.State.ended(exit)
			return err
		}
		return l.Remove(r.removeRest)
	})
	if errors.Is(err, errdefs.ErrNotFound) { // somebody was faster
		return r.removeRest()
	}
	return err // the run directory tells that it has ended, unless the container is gone
}

// Forget is described at monitor.Recorder.
func (r *Recorder) Forget() error {
	whole := &Store{Dir: r.Store.Dir} // what is left is described nowhere else
	if err := whole.discard(r.ID, r.Trees); err != nil {
		return err
	}
	c, err := whole.Read(r.ID)
	if errors.Is(err, errdefs.ErrNotFound) || err == nil && !c.Gone() {
		return nil
	}
	if err != nil {
		return err
	}
	// Who could not start it anew waits for this process, with the lock, and leaves it as it was.
	if held, err := sys.LockHeld(filepath.Join(c.Dir, lockFile)); held || err != nil {
		return err
	}
	r.Volumes = c.Spec.AnonymousVolumes()
	return r.Remove()
}

func (r *Recorder) removeRest() error {
	// Which needs whole descriptions.
	return errors.Join((&Store{Dir: r.Store.Dir}).RemoveUnusedVolumes(r.Volumes), removeTrees(r.Trees))
}

func removeTrees(trees []string) error {
	var errs []error
	for _, tree := range trees {
		errs = append(errs, sys.RemoveAll(tree))
	}
	return errors.Join(errs...)
}

// begin notes the processes of a life that has begun.
func (r *Record) begin(pids monitor.Pids, when time.Time) {
	r.Status, r.Monitor, r.Init = Running, pids.Monitor, pids.Container
	r.StartedAt, r.Stoppers, r.Restarter = after(when, r.FinishedAt), nil, sys.Process{}
	r.ExitCode, r.OOMKilled, r.Error = 0, false, ""
}

// Running is what the record is going to be once the container runs, for monitor.Request.
func (l *Locked) Running() (json.RawMessage, error) {
	r := l.State
	r.Intent, r.RestartCount = None, 0
	return r.MarshalJSON()
}

// ended notes how a life ended.
func (r *Record) ended(exit monitor.Exit) {
	r.ExitCode, r.OOMKilled, r.Error, r.FinishedAt = exit.Code, exit.OOM, exit.Error, after(exit.Time, r.StartedAt)
	r.Stoppers = nil
}

// after is when, or right after what came before, if a clock that was set back says otherwise: whether the end of the last life was recorded is
// told by the order of these times.
func after(when, before time.Time) time.Time {
	if when.After(before) {
		return when
	}
	return before.Add(1)
}
