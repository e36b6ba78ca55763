package runtime

import (
	"slices"

	"github.com/opencontainers/cgroups"
	devices "github.com/opencontainers/cgroups/devices/config"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// everywhere are the devices that a container may use whatever its rules say, which come before: those that it is given
// (defaultDevices), and terminals. It may make nodes of all, and open none of them.
var everywhere = []devices.Rule{
	{Type: devices.CharDevice, Major: devices.Wildcard, Minor: devices.Wildcard, Permissions: "m", Allow: true},
	{Type: devices.BlockDevice, Major: devices.Wildcard, Minor: devices.Wildcard, Permissions: "m", Allow: true},
	{Type: devices.CharDevice, Major: 5, Minor: 2, Permissions: "rwm", Allow: true},
	{Type: devices.CharDevice, Major: 136, Minor: devices.Wildcard, Permissions: "rwm", Allow: true},
}

// devicesController is the controller of cgroup v1 that has the rules.
const devicesController = "devices"

// limitsDevices says whether there is a device that the rules keep from the container. In a user namespace there are none.
func limitsDevices(r *specs.LinuxResources) bool {
	return r != nil && slices.ContainsFunc(r.Devices, func(d specs.LinuxDeviceCgroup) bool { return !d.Allow })
}

// rulesDevices says whether rules about devices can be had in the group. Programs that run as root link
// opencontainers/cgroups/devices for them; for the others it is too large.
func (g *cgroup) rulesDevices() bool {
	if g.manager == nil || cgroups.DevicesSetV1 == nil {
		return false
	}
	return cgroups.IsCgroup2UnifiedMode() || g.manager.Path(devicesController) != ""
}

// limitDevices adds the rules about devices of a configuration: config-linux.md, "Allowed Device list".
func limitDevices(c *cgroups.Resources, rules []specs.LinuxDeviceCgroup) error {
	c.SkipDevices = false
	for _, r := range rules {
		rule := devices.Rule{
			Type: devices.WildcardDevice, Major: devices.Wildcard, Minor: devices.Wildcard,
			Permissions: devices.Permissions(r.Access), Allow: r.Allow,
		}
		if r.Major != nil {
			rule.Major = *r.Major
		}
		if r.Minor != nil {
			rule.Minor = *r.Minor
		}
		if r.Type != "" {
			rule.Type = devices.Type(r.Type[0])
		}
		if len(r.Type) > 1 || !slices.Contains([]devices.Type{'a', 'b', 'c'}, rule.Type) || !rule.Permissions.IsValid() || r.Access == "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the rule about devices of type %q with access %q: want a, b or c, and some of rwm", r.Type, r.Access)
		}
		c.Devices = append(c.Devices, &rule)
	}
	for _, d := range defaultDevices {
		c.Devices = append(c.Devices, &devices.Rule{Type: devices.CharDevice, Major: d.Major, Minor: d.Minor, Permissions: "rwm", Allow: true})
	}
	for _, rule := range everywhere {
		c.Devices = append(c.Devices, &rule)
	}
	return nil
}
