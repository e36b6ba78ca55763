package libpod

import "fmt"

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
	return e.Start(ctx, c.Spec.ID, StartOptions{})
}
