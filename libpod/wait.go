package libpod

import (
	"errors"
	"os"
	"time"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Dial connects to a running container's monitor: monitor.Attach goes on from there.
func (e *Engine) Dial(c *state.Container) (*os.File, error) {
	if c.Damaged != nil {
		return nil, c.Damaged
	}
	if !c.State.Active() {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot attach to container %s: it is %s, not running", c.Spec.Name, c.State.Status)
	}
	if err := c.Reach(); err != nil {
		return nil, err
	}
	dir := e.runDirOf(c)
	conn, err := monitor.Dial(dir)
	if err != nil && c.State.Unattended {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot attach to container %s: its monitor was killed, and with it its streams; moss restart %s gives it a new one", c.Spec.Name, c.Spec.Name)
	}
	if _, lost := os.Stat(dir); err != nil && errors.Is(lost, os.ErrNotExist) {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot attach to container %s: somebody has removed its run directory %s; stop it, and start it again", c.Spec.Name, dir)
	}
	return conn, err
}

// Wait returns the exit code once the container has ended.
func (e *Engine) Wait(ctx Context, ref string) (int, error) {
	c, err := e.Whole(ref)
	if err != nil {
		return 0, err
	}
	return e.wait(ctx, c)
}

// wait is Wait for a container as it was seen just now.
func (e *Engine) wait(ctx Context, c *state.Container) (int, error) {
	if !c.State.Active() {
		return c.State.ExitCode, nil
	}
	if err := c.Reach(); err != nil {
		return 0, err
	}
	code, err := e.listen(ctx, c)
	if err == nil || ctx.Err() != nil {
		return code, err
	}
	if !errors.Is(err, errdefs.ErrConflict) && !errors.Is(err, monitor.ErrMonitorGone) {
		return 0, err
	}
	return e.recorded(ctx, c)
}

// listen waits for a container's monitor to tell its exit code: all that others may want of it is given back then.
func (e *Engine) listen(ctx Context, c *state.Container) (int, error) {
	conn, err := monitor.Dial(e.runDirOf(c))
	if err != nil {
		return 0, err
	}
	code, _, err := monitor.Attach(ctx, conn, monitor.Streams{}, monitor.AttachOptions{})
	return code, err
}

// recorded is the exit code of a container whose monitor is ending, or was killed.
func (e *Engine) recorded(ctx Context, c *state.Container) (int, error) {
	if _, err := waitProcess(ctx, c.State.Monitor, time.Minute); err != nil {
		return 0, err
	}
	now, err := e.Store.Read(c.Spec.ID)
	if errors.Is(err, errdefs.ErrNotFound) {
		if exit, exitErr := monitor.ReadExit(e.runDirOf(c)); exitErr == nil {
			return exit.Code, nil
		}
	}
	if err != nil {
		return 0, err
	}
	if now.State = now.State.Observed(); now.State.Unattended {
		// Nobody is there to record its end: the next look at it does.
		if err := waitEnd(ctx, now.State.Init); err != nil {
			return 0, err
		}
		now.State = now.State.Observed()
	}
	return now.State.ExitCode, now.Damaged
}

// waitEnd waits for the end of a process for as long as it takes.
func waitEnd(ctx Context, p sys.Process) error {
	for {
		if ended, err := waitProcess(ctx, p, time.Hour); ended || err != nil {
			return err
		}
	}
}

// Ended is closed once the container's monitor has ended, or ctx has.
func (e *Engine) Ended(ctx Context, c *state.Container) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c.State.Active() && ctx.Err() == nil {
			if ended, err := waitProcess(ctx, c.State.Monitor, time.Hour); ended || err != nil {
				return
			}
		}
	}()
	return done
}

// Member is a living process inside the user's namespace, 0 when there is none: the monitor of some
// container, or the first process of one that has outlived its monitor. It is asked for only when the namespace's holder is
// gone, or so it seems: the end of a session may have taken the run directory with it, and another session may have another one. Then records tell.
func (e *Engine) Member() int {
	entries, _ := os.ReadDir(e.runDir(""))
	for _, entry := range entries {
		life, err := monitor.ReadLife(e.runDir(entry.Name()))
		if pid := living(life.Monitor, life.Container); err == nil && pid != 0 {
			return pid
		}
	}
	containers, _ := e.Store.All()
	for _, c := range containers {
		if pid := living(c.State.Monitor, c.State.Init); pid != 0 {
			return pid
		}
	}
	return 0
}

// living is the pid of the first of some processes that lives, 0 for none.
func living(processes ...sys.Process) int {
	for _, p := range processes {
		if p.Alive() {
			return p.Pid
		}
	}
	return 0
}
