package spec

import (
	"encoding/csv"
	"strconv"
	"strings"
)

// parseGPUs reads one --gpus of Docker's: all, a number of them, or device=NAME,… beside what says how they are given. They are devices of the Container
// Device Interface, as the vendor's tool names them (nvidia-ctk cdi generate).
func parseGPUs(s string) ([]Device, error) {
	const gpu = "nvidia.com/gpu="
	want := func() error { return invalid("gpus", s, "want all, a number, or device=NAME") }
	fields, err := csv.NewReader(strings.NewReader(strings.TrimSpace(s))).Read()
	if err != nil {
		return nil, want()
	}
	var named []string
	for i, field := range fields {
		key, value, given := strings.Cut(field, "=")
		switch {
		case !given && field == "all", key == "count" && (value == "all" || value == "-1"):
			named = append(named, "all")
		case !given && i == 0, key == "count":
			if !given {
				value = field
			}
			n, err := strconv.ParseUint(value, 10, 8)
			if err != nil || n == 0 {
				return nil, want()
			}
			for one := range n {
				named = append(named, strconv.FormatUint(one, 10))
			}
		case key == "device":
			named = append(named, strings.Split(value, ",")...)
		case !given && i > 0: // more of device=0,1 where nothing is quoted
			named = append(named, field)
		case key == "driver" && value == "nvidia", key == "capabilities", key == "options":
		default:
			return nil, want()
		}
	}
	if len(named) == 0 {
		named = []string{"all"} // as Docker has it where only capabilities are asked for
	}
	var devices []Device
	for _, name := range named {
		d, err := parseDevice(gpu + name)
		if err != nil {
			return nil, want()
		}
		devices = append(devices, d)
	}
	return devices, nil
}
