package spec

import (
	"path"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
)

// DeviceLimit is a limit for one device.
type DeviceLimit struct {
	Kind string `json:"kind"` // the flag: device-read-bps, …
	Path string `json:"path"` // of the device on the host
	Rate uint64 `json:"rate"` // bytes or operations per second, or a weight
}

const weightDevice = "blkio-weight-device"

func (r *Resources) addBlockFlags(fs *pflag.FlagSet) {
	addFlag(fs, "blkio-weight", "", "uint", "", "`weight` beside other containers where disks are busy, 10 to 1000", func(s string) error {
		n, err := parseWeight("blkio-weight", s)
		r.BlkioWeight = uint16(n)
		return err
	})
	for _, f := range []struct{ name, help, want string }{
		{weightDevice, "the same of one device, `PATH:WEIGHT`", "want DEVICE:WEIGHT, such as /dev/sda:500"},
		{"device-read-bps", "most bytes to read from a device in a second, `PATH:SIZE`", "want DEVICE:SIZE, such as /dev/sda:1m"},
		{"device-write-bps", "most bytes to write to a device in a second, `PATH:SIZE`", "want DEVICE:SIZE, such as /dev/sda:1m"},
		{"device-read-iops", "most reads from a device in a second, `PATH:NUMBER`", "want DEVICE:NUMBER, such as /dev/sda:1000"},
		{"device-write-iops", "most writes to a device in a second, `PATH:NUMBER`", "want DEVICE:NUMBER, such as /dev/sda:1000"},
	} {
		addList(fs, &r.DeviceLimits, f.name, "", f.help, func(s string) (DeviceLimit, error) { return parseDeviceLimit(f.name, s, f.want) })
	}
}

// parseWeight reads a weight; 0 says nothing.
func parseWeight(flag, s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n != 0 && (n < 10 || n > 1000) {
		return 0, invalid(flag, s, "want a weight from 10 to 1000")
	}
	return n, nil
}

func parseDeviceLimit(flag, s, want string) (DeviceLimit, error) {
	at := strings.LastIndex(s, ":")
	d := DeviceLimit{Kind: flag}
	if at < 0 || !path.IsAbs(s[:at]) {
		return d, invalid(flag, s, "%s", want)
	}
	d.Path = path.Clean(s[:at])
	var err error
	switch value := s[at+1:]; {
	case flag == weightDevice:
		d.Rate, err = parseWeight(flag, value)
		return d, err
	case strings.HasSuffix(flag, "-bps"):
		var n int64
		if n, err = units.RAMInBytes(value); err == nil && n < 0 {
			err = strconv.ErrRange
		}
		d.Rate = uint64(n)
	default:
		d.Rate, err = strconv.ParseUint(value, 10, 64)
	}
	if err != nil {
		return d, invalid(flag, s, "%s", want)
	}
	return d, nil
}

// blockController is what limits block devices.
func blockController(c host.Cgroup) string {
	if c.Version == host.CgroupV2 {
		return "io"
	}
	return "blkio"
}

// applyBlock writes what this host can keep of the limits of block devices; want is as for CPU.
func (r *Resources) applyBlock(res *specs.LinuxResources, c host.Cgroup, in Inputs, want func(controller, flag string) bool) error {
	out := &specs.LinuxBlockIO{}
	if r.BlkioWeight > 0 && want(blockController(c), "blkio-weight") {
		out.Weight = &r.BlkioWeight
		res.BlockIO = out
	}
	for _, d := range r.DeviceLimits {
		found, err := in.devices(d.Path)
		if err == nil && (len(found) != 1 || found[0].Type != "b") {
			err = plain("it is no block device")
		}
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot limit the use of %s with --%s: %w", d.Path, d.Kind, err)
		}
		if want(blockController(c), d.Kind) {
			d.add(out, found[0])
			res.BlockIO = out
		}
	}
	return nil
}

func (d DeviceLimit) add(to *specs.LinuxBlockIO, device host.Device) {
	if d.Kind == weightDevice {
		weight := uint16(d.Rate)
		one := specs.LinuxWeightDevice{Weight: &weight}
		one.Major, one.Minor = device.Major, device.Minor
		to.WeightDevice = append(to.WeightDevice, one)
		return
	}
	one := specs.LinuxThrottleDevice{Rate: d.Rate}
	one.Major, one.Minor = device.Major, device.Minor
	list := map[string]*[]specs.LinuxThrottleDevice{
		"device-read-bps": &to.ThrottleReadBpsDevice, "device-write-bps": &to.ThrottleWriteBpsDevice,
		"device-read-iops": &to.ThrottleReadIOPSDevice, "device-write-iops": &to.ThrottleWriteIOPSDevice,
	}[d.Kind]
	*list = append(*list, one)
}
