package libpod

import (
	"errors"
	"fmt"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// StartIdle is Start of a container, unless it runs: that is fine, as for Docker and Podman, and so is one that somebody else starts just now, who may
// also be about to stop it again.
func (e *Engine) StartIdle(ctx Context, ref string) (warnings []string, err error) {
	var conflict error
	for range 3 {
		c, err := e.Lookup(ref)
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

// Restart stops a container if it runs and starts it again.
func (e *Engine) Restart(ctx Context, ref string, opts StopOptions) (warnings []string, err error) {
	c, err := e.Lookup(ref)
	if err != nil {
		return nil, err
	}
	if c.Spec.Remove && c.State.Active() {
		return nil, fmt.Errorf("cannot restart container %s: it was made with --rm and vanishes when it stops", c.Spec.Name)
	}
	if err := e.Stop(ctx, c.Spec.ID, opts); err != nil {
		return nil, err
	}
	return e.StartIdle(ctx, c.Spec.ID)
}
