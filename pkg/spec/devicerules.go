package spec

import (
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
)

// DeviceRule is one --device-cgroup-rule as Docker writes it, "c 188:* rwm": type (a, b or c), numbers, of which * is any, and
// access.
type DeviceRule string

func parseDeviceRule(s string) (DeviceRule, error) {
	if _, err := DeviceRule(s).oci(); err != nil {
		return "", invalid("device-cgroup-rule", s, "%w", err)
	}
	return DeviceRule(s), nil
}

func (r DeviceRule) oci() (specs.LinuxDeviceCgroup, error) {
	rule := specs.LinuxDeviceCgroup{Allow: true}
	fields := strings.Split(string(r), " ")
	if len(fields) != 3 || len(fields[0]) != 1 || !strings.Contains("abc", fields[0]) || !isAccess(fields[2]) {
		return rule, plain("want 'TYPE MAJOR:MINOR ACCESS', such as 'c 188:* rwm'")
	}
	major, minor, _ := strings.Cut(fields[1], ":")
	var err error
	if rule.Major, err = deviceNumber(major); err != nil {
		return rule, err
	}
	if rule.Minor, err = deviceNumber(minor); err != nil {
		return rule, err
	}
	rule.Type, rule.Access = fields[0], fields[2]
	return rule, nil
}

// deviceNumber reads a device's number; nil is any.
func deviceNumber(s string) (*int64, error) {
	if s == "*" {
		return nil, nil //nolint:nilnil // as the runtime specification has it
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return nil, plain("%q is neither the number of a device nor *", s)
	}
	number := int64(n)
	return &number, nil
}

// applyDeviceRules adds the rules to those that come of devices. A privileged container needs none.
func (m *Mounts) applyDeviceRules(s *specs.Spec, f host.Facts, in Inputs) error {
	if len(m.DeviceRules) == 0 || in.privileged {
		return nil
	}
	if f.UserNamespace || f.Cgroup.Parent == "" {
		return errdefs.Errorf(errdefs.ErrUnavailable,
			"cannot use --device-cgroup-rule: only containers of root, in control groups, have rules about devices; give the container a device with --device")
	}
	for _, r := range m.DeviceRules {
		rule, err := r.oci()
		if err != nil {
			return err
		}
		s.Linux.Resources.Devices = append(s.Linux.Resources.Devices, rule)
	}
	return nil
}
