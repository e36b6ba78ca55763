package spec

import (
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
)

// CPU says in the kernel's own words how much of the processors a container may use, and which. Zero says nothing.
type CPU struct {
	Shares uint64 `json:"shares,omitempty"` // weight beside other groups; 1024 is the usual one
	Period uint64 `json:"period,omitempty"` // microseconds, 1000 to 1000000
	Quota  int64  `json:"quota,omitempty"`  // microseconds of a period; -1 is unlimited
	Cpus   string `json:"cpus,omitempty"`   // a list: 0-2,4
	Mems   string `json:"mems,omitempty"`   // a list of memory nodes
	// RealtimePeriod and RealtimeRuntime are microseconds, of version 1 only.
	RealtimePeriod  uint64 `json:"realtimePeriod,omitempty"`
	RealtimeRuntime int64  `json:"realtimeRuntime,omitempty"`
}

func (c *CPU) addFlags(fs *pflag.FlagSet) {
	addFlag(fs, "cpu-shares", "c", "uint", "", "`weight` beside other containers where processors are short; the usual one is 1024", c.setShares)
	addFlag(fs, "cpu-period", "", "uint", "", "length of the period of --cpu-quota in `microseconds`", c.setPeriod)
	addFlag(fs, "cpu-quota", "", "int", "", "`microseconds` of each period that the container may run; -1 is unlimited", c.setQuota)
	addFlag(fs, "cpuset-cpus", "", "string", "", "`processors` to run on, such as 0-2,4", func(s string) error {
		c.Cpus = s
		return checkSet("cpuset-cpus", s)
	})
	addFlag(fs, "cpuset-mems", "", "string", "", "memory `nodes` to have memory from, such as 0,1", func(s string) error {
		c.Mems = s
		return checkSet("cpuset-mems", s)
	})
}

func (c *CPU) setShares(s string) (err error) {
	c.Shares, err = strconv.ParseUint(s, 10, 32)
	if err != nil || c.Shares != 0 && (c.Shares < 2 || c.Shares > 262144) {
		return invalid("cpu-shares", s, "want a number from 2 to 262144")
	}
	return nil
}

func (c *CPU) setPeriod(s string) (err error) {
	c.Period, err = strconv.ParseUint(s, 10, 32)
	if err != nil || c.Period != 0 && (c.Period < 1000 || c.Period > 1000000) { // sched-bwc.rst
		return invalid("cpu-period", s, "want microseconds from 1000 to 1000000")
	}
	return nil
}

func (c *CPU) setQuota(s string) (err error) {
	c.Quota, err = strconv.ParseInt(s, 10, 64)
	if err != nil || c.Quota != 0 && c.Quota != -1 && c.Quota < 1000 {
		return invalid("cpu-quota", s, "want microseconds, 1000 or more, or -1")
	}
	return nil
}

// checkSet checks a list of numbers and of ranges of them, which the kernel would refuse when the container starts.
func checkSet(flag, list string) error {
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.ParseUint(from, 10, 16)
		last := first
		if err == nil && isRange {
			last, err = strconv.ParseUint(to, 10, 16)
		}
		if err != nil || last < first {
			return invalid(flag, list, "want numbers and ranges, such as 0-2,4")
		}
	}
	return nil
}

// apply writes what this host can keep; want asks whether it can, and notes what it cannot.
func (c *CPU) apply(res *specs.LinuxResources, want func(controller, flag string) bool) {
	out := res.CPU
	if out == nil {
		out = &specs.LinuxCPU{}
	}
	if c.Shares > 0 && want("cpu", "cpu-shares") {
		out.Shares = &c.Shares
	}
	if c.Period > 0 && want("cpu", "cpu-period") {
		out.Period = &c.Period
	}
	if c.Quota != 0 && want("cpu", "cpu-quota") {
		out.Quota = &c.Quota
	}
	if c.Cpus != "" && want("cpuset", "cpuset-cpus") {
		out.Cpus = c.Cpus
	}
	if c.Mems != "" && want("cpuset", "cpuset-mems") {
		out.Mems = c.Mems
	}
	if c.RealtimePeriod > 0 && want("cpu"+ofVersion1, "cpu-rt-period") {
		out.RealtimePeriod = &c.RealtimePeriod
	}
	if c.RealtimeRuntime > 0 && want("cpu"+ofVersion1, "cpu-rt-runtime") {
		out.RealtimeRuntime = &c.RealtimeRuntime
	}
	if *out != (specs.LinuxCPU{}) {
		res.CPU = out
	}
}
