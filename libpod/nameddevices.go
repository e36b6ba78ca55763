//go:build !moss_front

package libpod

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/cdi"
	"github.com/mosscontainers/moss/pkg/spec"
)

// checkNamedDevices looks for the devices that a container is to have by name.
func (e *Engine) checkNamedDevices(c *spec.Container) error {
	names := c.DeviceNames()
	if len(names) == 0 {
		return nil
	}
	registry, err := e.NamedDevices()
	if err == nil {
		err = registry.Check(names)
	}
	if err != nil {
		return fmt.Errorf("cannot give the container its devices: %w", err)
	}
	return nil
}

// Startable is for the front program.
func (e *Engine) Startable([]string) error { return nil }

// NamedDevices are those of the directories that containers.conf names.
func (e *Engine) NamedDevices() (*cdi.Registry, error) {
	return cdi.Open(e.Config.Containers.DeviceDirs)
}

// addNamedDevices writes what those devices consist of into the configuration.
func (s *launch) addNamedDevices(config *specs.Spec) error {
	names := s.c.DeviceNames()
	if len(names) == 0 {
		return nil
	}
	registry, err := s.NamedDevices()
	if err != nil {
		return err
	}
	var rules []specs.LinuxDeviceCgroup
	if config.Linux.Resources != nil {
		rules = config.Linux.Resources.Devices
	}
	if err := registry.Inject(config, names); err != nil {
		return fmt.Errorf("cannot give the container its devices: %w", err)
	}
	if s.facts.UserNamespace && config.Linux.Resources != nil {
		config.Linux.Resources.Devices = rules // only the machine's root has more
	}
	if !usesOwnLauncher(s.c) {
		return nil
	}
	for _, lost := range []struct {
		there bool
		what  string
	}{
		{config.Hooks != nil, "hooks"}, {config.Linux.IntelRdt != nil, "Intel RDT"}, {len(config.Linux.NetDevices) > 0, "network devices"},
	} {
		if lost.there {
			s.warnings = append(s.warnings, fmt.Sprintf("what describes the container's devices has %s, which Moss's own launcher leaves out; --runtime runc has them", lost.what))
		}
	}
	config.Hooks, config.Linux.IntelRdt, config.Linux.NetDevices = nil, nil, nil
	return nil
}
