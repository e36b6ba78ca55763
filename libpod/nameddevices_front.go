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

// addNamedDevices is for a container that was created by the full program.
func (s *launch) addNamedDevices(*specs.Spec) error { return s.checkNamedDevices(s.c) }
