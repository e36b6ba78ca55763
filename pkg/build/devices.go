package build

import (
	"slices"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/cdi"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// AllowDevice allows what RUN --device asks for: all devices, or with =NAME one of them. Devices may say of themselves that everybody may have them.
const AllowDevice = "device"

// addDevices gives the step the devices that it asks for by name. One that is not there and not required is none.
func (e *execution) addDevices(c *spec.Container) error {
	if len(e.op.CdiDevices) == 0 {
		return nil
	}
	registry, err := e.engine.NamedDevices()
	if err != nil {
		return err
	}
	c.Devices = slices.Clone(c.Devices)
	for _, wanted := range e.op.CdiDevices {
		found := registry.Find(wanted.Name)
		if len(found) == 0 && !wanted.Optional {
			return errdefs.Errorf(errdefs.ErrNotFound, "cannot run a command with --device=%s: %w", wanted.Name, registry.Check([]string{wanted.Name}))
		}
		for _, name := range found {
			if !e.mayHave(registry, wanted, name) {
				return errdefs.Errorf(errdefs.ErrDenied, "cannot run a command with --device=%s: that must be allowed with --allow %s=%s", wanted.Name, AllowDevice, name)
			}
			c.Devices = append(c.Devices, spec.Device{Name: name})
		}
	}
	return nil
}

func (e *execution) mayHave(registry *cdi.Registry, wanted *pb.CDIDevice, name string) bool {
	for _, allowed := range []string{AllowDevice, AllowDevice + "=" + name, AllowDevice + "=" + wanted.Name} {
		if slices.Contains(e.opts.Allow, allowed) {
			return true
		}
	}
	return registry.Free(name)
}
