package libpod

import (
	"context"
	"errors"
	"time"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// StartIdle is Start of a container, unless it runs: that is fine, as for Docker and Podman, and so is one that somebody else starts just now, who may
// also be about to stop it again.
func (e *Engine) StartIdle(ctx Context, ref string) (warnings []string, err error) {
	var conflict error
	for range 3 {
		c, err := e.Settled(ref)
		if err != nil || c.State.Active() {
			return nil, err
		}
		warnings, err := e.Start(ctx, c.Spec.ID, StartOptions{})
		if !errors.Is(err, errdefs.ErrConflict) {
			return warnings, err
		}
		conflict = err
	}
	return nil, conflict
}

// endTimeout is how long what was killed may take to end: on a machine with far too much to do, seconds.
const endTimeout = 10 * time.Second

// Settled finds a container as Whole does. Where its monitor was killed a moment ago, it is first waited for what ends with it: until then
// it looks as if it ran.
func (e *Engine) Settled(ref string) (*state.Container, error) {
	c, err := e.Whole(ref)
	if err != nil || !c.State.Active() {
		return c, err
	}
	if err := c.Reach(); err != nil {
		return nil, err
	}
	for _, p := range []sys.Process{c.State.Monitor, c.State.Init} { // the end of the one kills the other
		if !p.Doomed() && p.Alive() {
			return c, nil
		}
		if err := p.AwaitEnd(endTimeout); err != nil {
			return nil, err
		}
	}
	return e.Whole(ref)
}

// Restart stops a container if it runs and starts it again.
func (e *Engine) Restart(ctx Context, ref string, opts StopOptions) (warnings []string, err error) {
	c, err := e.Lookup(ref)
	if err != nil {
		return nil, err
	}
	if err := e.checkNamedDevices(c.Spec); err != nil { // before it is stopped
		return nil, err
	}
	opts.restarts = c.Spec.Remove
	if err := e.Stop(ctx, c.Spec.ID, opts); err != nil {
		return nil, err
	}
	warnings, err = e.StartIdle(ctx, c.Spec.ID)
	if err != nil && c.Spec.Remove && c.State.Status != state.Created { // it would have vanished when it stopped
		removeErr := e.Remove(context.WithoutCancel(ctx), c.Spec.ID, RemoveOptions{Volumes: true})
		if !errors.Is(removeErr, errdefs.ErrNotFound) && !errors.Is(removeErr, errdefs.ErrConflict) {
			err = errors.Join(err, removeErr)
		}
	}
	return warnings, err
}
