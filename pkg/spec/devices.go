package spec

import (
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"tags.cncf.io/container-device-interface/pkg/parser"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
)

// Device is one --device.
type Device struct {
	Host      string `json:"host"`      // a device, or a directory of devices
	Container string `json:"container"` // where in the container
	Access    string `json:"access"`    // any of r, w, m
	// Name is what the Container Device Interface calls it, VENDOR/CLASS=NAME. Then there is nothing else.
	Name string `json:"name,omitempty"`
}

// parseDevice reads one --device: HOST[:CONTAINER][:ACCESS], or a name of the Container Device Interface.
func parseDevice(s string) (Device, error) {
	if parser.IsQualifiedName(s) {
		return Device{Name: s}, nil
	}
	parts := strings.Split(s, ":")
	d := Device{Host: parts[0], Container: parts[0], Access: "rwm"}
	switch {
	case len(parts) == 2 && isAccess(parts[1]):
		d.Access = parts[1]
	case len(parts) == 2:
		d.Container = parts[1]
	case len(parts) == 3:
		d.Container, d.Access = parts[1], parts[2]
	case len(parts) > 3:
		return d, invalid("device", s, "want HOST[:CONTAINER][:ACCESS]")
	}
	if strings.Contains(d.Host, "=") {
		return d, invalid("device", s, "want HOST[:CONTAINER][:ACCESS], or VENDOR/CLASS=NAME of the Container Device Interface")
	}
	d.Host, d.Container = path.Clean(d.Host), path.Clean(d.Container)
	if err := d.validate(); err != nil {
		return d, invalid("device", s, "%w", err)
	}
	return d, nil
}

// DeviceNames are those devices that are given by name.
func (m *Mounts) DeviceNames() (names []string) {
	for _, d := range m.Devices {
		if d.Name != "" {
			names = append(names, d.Name)
		}
	}
	return names
}

func isAccess(s string) bool {
	return s != "" && len(s) <= 3 && strings.Trim(s, "rwm") == ""
}

func (d Device) validate() error {
	if d.Name != "" {
		if !parser.IsQualifiedName(d.Name) {
			return plain("%q is no name of a device: want VENDOR/CLASS=NAME", d.Name)
		}
		return nil
	}
	if !path.IsAbs(d.Host) || !path.IsAbs(d.Container) || d.Container == "/" {
		return plain("want absolute paths of devices: HOST[:CONTAINER][:ACCESS]")
	}
	if !isAccess(d.Access) {
		return plain("the access %q is not made of r, w and m", d.Access)
	}
	return nil
}

// applyDevices writes the devices. In a user namespace, which cannot make nodes, the launcher binds the
// host's; the rules of a device cgroup cannot be had there either.
func (m *Mounts) applyDevices(s *specs.Spec, f host.Facts, in Inputs) error {
	rules := []specs.LinuxDeviceCgroup{{Allow: in.privileged, Access: "rwm"}}
	devices := m.Devices
	if in.privileged {
		devices = append([]Device{{Host: "/dev", Container: "/dev", Access: "rwm"}}, devices...)
	}
	for _, d := range devices {
		if d.Name != "" {
			continue // whoever starts the container adds what that is
		}
		found, err := in.devices(d.Host)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot give the container the device %s: %w", d.Host, err)
		}
		for _, one := range found {
			s.Linux.Devices = placeDevice(s.Linux.Devices, d.oci(one))
			rules = append(rules, specs.LinuxDeviceCgroup{
				Allow: true, Type: one.Type, Major: &one.Major, Minor: &one.Minor, Access: d.Access,
			})
		}
	}
	if in.privileged {
		rules = rules[:1]
	}
	if !f.UserNamespace {
		s.Linux.Resources.Devices = rules
	}
	return m.applyDeviceRules(s, f, in)
}

func (d Device) oci(found host.Device) specs.LinuxDevice {
	mode, uid, gid := found.Mode, found.UID, found.GID
	return specs.LinuxDevice{
		Path: d.Container + strings.TrimPrefix(found.Path, d.Host), Type: found.Type, Major: found.Major, Minor: found.Minor,
		FileMode: &mode, UID: &uid, GID: &gid,
	}
}

func placeDevice(all []specs.LinuxDevice, one specs.LinuxDevice) []specs.LinuxDevice {
	for i := range all {
		if all[i].Path == one.Path {
			all[i] = one
			return all
		}
	}
	return append(all, one)
}
