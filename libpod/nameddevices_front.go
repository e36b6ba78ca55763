//go:build moss_front

package libpod

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/spec"
)

// checkNamedDevices leaves devices that have names to the full program.
func (e *Engine) checkNamedDevices(c *spec.Container) error {
	if len(c.DeviceNames()) > 0 {
		return ErrUnpinned
	}
	return nil
}

// Startable leaves containers to the full program, before anything is done to the others, if one of them has such devices.
func (e *Engine) Startable(refs []string) error {
	for _, ref := range refs {
		c, err := e.Lookup(ref)
		if err != nil {
			continue // it is told of in its turn
		}
		if err := e.checkNamedDevices(c.Spec); err != nil {
			return err
		}
	}
	return nil
}

// addNamedDevices is for a container that was created by the full program.
func (s *launch) addNamedDevices(*specs.Spec) error { return s.checkNamedDevices(s.c) }
