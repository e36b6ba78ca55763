package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// defaultStopTimeout is how long a container has to end by itself: Docker's and Podman's.
const defaultStopTimeout = 10 * time.Second

// StopOptions say how a container is asked to end.
type StopOptions struct {
	Timeout *uint          // seconds; nil is the container's own
	Signal  syscall.Signal // 0 is the container's own

	restarts bool // it is only stopped to be started again, and does not vanish
}

// Stop asks a container to end, kills it when the time is over, and returns when its end is recorded. One
// that does not run is fine.
func (e *Engine) Stop(ctx Context, ref string, opts StopOptions) error {
	c, err := e.Whole(ref)
	if err != nil {
		return err
	}
	if !c.State.Active() {
		return nil
	}
	first, err := stopSignal(c.Spec, opts)
	if err != nil {
		return err
	}
	timeout := stopTimeout(c.Spec, opts, e.Config.Containers.StopTimeout)
	if timeout == 0 {
		first = syscall.SIGKILL
	}
	told, deaf := e.hear(ctx, c)
	defer deaf()
	self, err := sys.Identify(os.Getpid())
	if err != nil {
		return err
	}
	var init, keeper sys.Process
	var before state.Status
	err = e.Store.Transact(ctx, c.Spec.ID, state.OpStop, func(_ context.Context, l *state.Locked) error {
		init, keeper, before = l.State.Init, l.State.Monitor, l.State.Status
		l.State.StoppedBy(self)
		if opts.restarts {
			l.State.Restarter = self
		}
		if l.State.Status == state.Restarting { // nothing runs: it is the monitor that waits
			return signalProcess(keeper, syscall.SIGTERM)
		}
		return signalProcess(init, first)
	})
	if errors.Is(err, errdefs.ErrConflict) || errors.Is(err, errdefs.ErrNotFound) {
		return nil // it ended meanwhile
	}
	if err != nil {
		return err
	}
	if err := end(ctx, c.Spec.Name, init, timeout); err != nil {
		if before == state.Running && ctx.Err() != nil {
			err = errors.Join(err, e.keep(ctx, c.Spec.ID, init, self))
		}
		return err
	}
	if keeper != c.State.Monitor { // it was started anew meanwhile, and what we listen to tells of the life before
		told = nil
	}
	if err := settled(ctx, c.Spec, keeper, told); err != nil || !c.State.Unattended {
		return err
	}
	return e.Store.Transact(ctx, c.Spec.ID, state.OpUpdate, mended)
}

// keep has a container that this process has waited for in vain be one that runs, unless it has ended after all, or others stop it.
func (e *Engine) keep(ctx Context, id string, init, self sys.Process) error {
	err := e.Store.Transact(context.WithoutCancel(ctx), id, state.OpKeep, func(_ context.Context, l *state.Locked) error {
		if l.State.Init != init {
			return errdefs.Errorf(errdefs.ErrConflict, "it was started anew meanwhile")
		}
		if l.State.KeptBy(self) {
			return errdefs.Errorf(errdefs.ErrConflict, "others stop it")
		}
		return nil
	})
	if errors.Is(err, errdefs.ErrConflict) || errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}

// hear begins to listen: told gets nil at the end, or an error when only the monitor's own end tells of it. deaf stops listening.
func (e *Engine) hear(ctx Context, c *state.Container) (told <-chan error, deaf func()) {
	ctx, cancel := context.WithCancel(ctx)
	heard, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		_, err := e.listen(ctx, c)
		heard <- err
	}()
	return heard, func() { cancel(); <-done }
}

// mended is for a transaction that only writes down what nobody was there to write.
func mended(context.Context, *state.Locked) error { return nil }

// collectTime is more than a parent takes to collect a child that has ended.
const collectTime = 10 * time.Second

// end waits for a container's first process to end, and kills it after the timeout. name is for errors.
func end(ctx Context, name string, init sys.Process, timeout time.Duration) error {
	ended, err := waitProcess(ctx, init, timeout)
	if err != nil || ended {
		return err
	}
	if err := signalProcess(init, syscall.SIGKILL); err != nil {
		return err
	}
	ended, err = waitProcess(ctx, init, endTime)
	if err != nil || ended {
		return err
	}
	wakeCommands()
	ended, err = waitProcess(ctx, init, collectTime)
	if err != nil || ended {
		return err
	}
	if child, parent, ok := sys.Uncollected(init.Pid); ok {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot stop container %s: it was killed, and waits for process %d of its own to be collected, which has been left to process %d; "+
			"end that, or, if it is the first one of a container around moss, give that an init (docker run --init)", name, child, parent)
	}
	_, err = waitProcess(ctx, init, time.Minute)
	return err
}

// settled waits until a container's end is recorded and, if it is to vanish, it is removed. told is of hear, nil for who has not listened.
func settled(ctx Context, c *spec.Container, keeper sys.Process, told <-chan error) error {
	if !c.Remove && told != nil {
		select {
		case err := <-told:
			if err == nil {
				return nil
			}
		case <-time.After(time.Minute): // the next says how that is
		}
	}
	ended, err := waitProcess(ctx, keeper, time.Minute)
	if err != nil || ended {
		return err
	}
	return fmt.Errorf("cannot stop container %s: it was killed, but its monitor (pid %d) still runs", c.Name, keeper.Pid)
}

func stopSignal(c *spec.Container, opts StopOptions) (syscall.Signal, error) {
	if opts.Signal != 0 {
		return opts.Signal, nil
	}
	if c.StopSignal == "" {
		return syscall.SIGTERM, nil
	}
	return spec.ParseSignal(c.StopSignal)
}

func stopTimeout(c *spec.Container, opts StopOptions, configured uint) time.Duration {
	switch {
	case opts.Timeout != nil:
		return time.Duration(*opts.Timeout) * time.Second
	case c.StopTimeout != nil:
		return time.Duration(*c.StopTimeout) * time.Second
	case configured != 0:
		return time.Duration(configured) * time.Second
	}
	return defaultStopTimeout
}

// Kill sends a signal to a running container's first process. SIGKILL is for good, as Docker and Podman have it:
// the restart policy does not bring the container back, and its end is recorded when Kill returns.
func (e *Engine) Kill(ctx Context, ref string, signal syscall.Signal) error {
	c, err := e.Whole(ref)
	if err != nil {
		return err
	}
	if !c.State.Active() {
		return errdefs.Errorf(errdefs.ErrConflict, "cannot kill container %s: it is %s, not running", c.Spec.Name, c.State.Status)
	}
	if err := c.Reach(); err != nil {
		return err
	}
	if signal == syscall.SIGKILL {
		now := uint(0)
		return e.Stop(ctx, c.Spec.ID, StopOptions{Timeout: &now})
	}
	return signalProcess(c.State.Init, signal)
}

// signalProcess signals this very process; one that is gone is fine.
func signalProcess(p sys.Process, signal syscall.Signal) error {
	err := p.Signal(signal)
	if err == nil || errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return fmt.Errorf("cannot signal process %d: %w", p.Pid, err)
}

// waitProcess waits until this very process has ended; false says that the time was over before.
func waitProcess(ctx Context, p sys.Process, timeout time.Duration) (bool, error) {
	pidfd, err := p.Open()
	if errors.Is(err, os.ErrProcessDone) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer pidfd.Close()
	const slice = 200 * time.Millisecond // how soon a cancelled context is noticed
	for deadline := time.Now().Add(timeout); ; {
		left := time.Until(deadline)
		ended, err := sys.WaitExit(pidfd, max(0, min(left, slice)))
		if err != nil || ended {
			return ended, err
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if left <= 0 {
			return false, nil
		}
	}
}
