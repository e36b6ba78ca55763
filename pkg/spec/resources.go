package spec

import (
	"cmp"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/host"
)

// Resources are the limits of the container. Zero is no limit.
type Resources struct {
	Memory     int64 `json:"memory,omitempty"`     // bytes
	MemorySwap int64 `json:"memorySwap,omitempty"` // bytes of memory and swap together; 0 is twice Memory, -1 is unlimited
	// MemoryReservation is what is left to the container where memory is short, in bytes.
	MemoryReservation int64   `json:"memoryReservation,omitempty"`
	Swappiness        *uint64 `json:"swappiness,omitempty"` // 0 to 100
	NoOOMKiller       bool    `json:"noOOMKiller,omitempty"`
	CPUs              float64 `json:"cpus,omitempty"` // cores
	CPU               CPU     `json:"cpu,omitzero"`
	PidsLimit         int64   `json:"pidsLimit,omitempty"` // processes and threads; 0 is 2048 where it can be had, -1 is unlimited
	// UsualPids takes the place of the built-in 2048: it is kept where it can be, and missed in silence.
	UsualPids    int64         `json:"usualPids,omitempty"`
	OOMScore     *int          `json:"oomScoreAdj,omitempty"`
	BlkioWeight  uint16        `json:"blkioWeight,omitempty"` // beside other groups, 10 to 1000
	DeviceLimits []DeviceLimit `json:"deviceLimits,omitempty"`
	// Unified are files of the group of version 2, FILE=VALUE.
	Unified []string `json:"unified,omitempty"`
	// CgroupParent is the group that the container's is in: absolute, or below the one for containers.
	CgroupParent string `json:"cgroupParent,omitempty"`
}

const (
	defaultPids = 2048 // Podman's
	// ofVersion1 is said of a controller where that of version 2 does not have a limit.
	ofVersion1 = " of version 1"
	cpuPeriod  = 100000 // microseconds, the kernel's default: sched-bwc.rst
)

// AddFlags declares the flags of the limits.
func (r *Resources) AddFlags(fs *pflag.FlagSet) {
	addBytes(fs, &r.Memory, "memory", "m", "", "most `memory` to use, such as 512m")
	addFlag(fs, "memory-swap", "", "bytes", "", "most memory and swap together; -1 is unlimited (default twice --memory)", r.setMemorySwap)
	addFlag(fs, "cpus", "", "float", "", "`number` of CPUs to use at most, such as 1.5", r.setCPUs)
	r.CPU.addFlags(fs)
	addFlag(fs, "pids-limit", "", "int", strconv.Itoa(defaultPids), "most processes and threads; -1 is unlimited", r.setPids)
	fs.StringVar(&r.CgroupParent, "cgroup-parent", "", "control `group` to be in: absolute, or below that of all containers")
	addFlag(fs, "oom-score-adj", "", "int", "", "how gladly the kernel kills the container, -1000 to 1000", r.setOOMScore)
}

// settle takes over what the description leaves open.
func (r *Resources) settle(d *Resources) {
	if r.PidsLimit == 0 {
		r.UsualPids = d.PidsLimit
	}
	if r.OOMScore == nil {
		r.OOMScore = d.OOMScore
	}
}

func (r *Resources) setMemorySwap(s string) error {
	if s == "-1" {
		r.MemorySwap = -1
		return nil
	}
	n, err := units.RAMInBytes(s)
	if err != nil || n < 0 {
		return invalid("memory-swap", s, "want a size such as 1g, or -1")
	}
	r.MemorySwap = n
	return nil
}

func (r *Resources) setCPUs(s string) error {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return invalid("cpus", s, "want a number such as 0.5 or 2")
	}
	r.CPUs = n
	return r.checkCPUs()
}

func (r *Resources) checkCPUs() error {
	// The kernel takes no quota below 1 ms; the upper bound only keeps the product an integer.
	if r.CPUs != 0 && (math.IsNaN(r.CPUs) || r.CPUs < 0.01 || r.CPUs > 1e6) {
		return invalid("cpus", strconv.FormatFloat(r.CPUs, 'g', -1, 64), "want a number of at least 0.01")
	}
	return nil
}

func (r *Resources) setPids(s string) error {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < -1 {
		return invalid("pids-limit", s, "want a number of processes, or -1 for unlimited")
	}
	if r.PidsLimit = n; n == 0 {
		r.PidsLimit = -1 // Podman's and Docker's reading of 0
	}
	return nil
}

func (r *Resources) setOOMScore(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return invalid("oom-score-adj", s, "want a number from -1000 to 1000")
	}
	r.OOMScore = &n
	return r.checkOOMScore()
}

func (r *Resources) checkOOMScore() error {
	if r.OOMScore != nil && (*r.OOMScore < -1000 || *r.OOMScore > 1000) {
		return invalid("oom-score-adj", strconv.Itoa(*r.OOMScore), "want a number from -1000 to 1000")
	}
	return nil
}

// Validate checks the limits.
func (r *Resources) Validate() error {
	switch {
	case r.Memory < 0:
		return invalid("memory", strconv.FormatInt(r.Memory, 10), "want a size such as 512m")
	case r.MemorySwap != 0 && r.Memory == 0:
		return invalid("memory-swap", strconv.FormatInt(r.MemorySwap, 10), "it needs --memory too")
	case r.MemorySwap < -1, r.MemorySwap > 0 && r.MemorySwap < r.Memory:
		return invalid("memory-swap", strconv.FormatInt(r.MemorySwap, 10), "it is the sum of memory and swap, so it cannot be below --memory")
	case r.MemoryReservation > 0 && r.Memory > 0 && r.MemoryReservation > r.Memory:
		return invalid("memory-reservation", strconv.FormatInt(r.MemoryReservation, 10), "it is a part of --memory, so it cannot be above that")
	case r.PidsLimit < -1:
		return invalid("pids-limit", strconv.FormatInt(r.PidsLimit, 10), "want a number of processes, or -1 for unlimited")
	}
	if err := r.checkCPUs(); err != nil {
		return err
	}
	if r.CPUs > 0 && (r.CPU.Period > 0 || r.CPU.Quota != 0) {
		return invalid("cpus", strconv.FormatFloat(r.CPUs, 'g', -1, 64), "it is --cpu-quota and --cpu-period in one: choose one way")
	}
	return r.checkOOMScore()
}

// Apply writes the limits that this host can keep, and warns once of those that it cannot.
func (r *Resources) Apply(s *specs.Spec, f host.Facts, in Inputs) ([]string, error) {
	var lost, gone []string
	want := func(controller, flag string) bool {
		flag = "--" + flag
		controller, old := strings.CutSuffix(controller, ofVersion1)
		switch has := f.Cgroup.Has(controller); {
		case has && old && f.Cgroup.Version == host.CgroupV2:
			gone = append(gone, flag)
			return false
		case !has && !slices.Contains(lost, flag):
			lost = append(lost, flag)
			return false
		default:
			return has
		}
	}
	res := s.Linux.Resources
	r.applyMemory(res, f, want)
	if r.CPUs > 0 && want("cpu", "cpus") {
		period, quota := uint64(cpuPeriod), int64(r.CPUs*cpuPeriod)
		res.CPU = &specs.LinuxCPU{Period: &period, Quota: &quota}
	}
	r.CPU.apply(res, want)
	if err := r.applyBlock(res, f.Cgroup, in, want); err != nil {
		return nil, err
	}
	pids := r.PidsLimit
	if pids == 0 && f.Cgroup.Has("pids") {
		pids = cmp.Or(r.UsualPids, defaultPids)
	}
	if pids > 0 && want("pids", "pids-limit") {
		res.Pids = &specs.LinuxPids{Limit: &pids}
	}
	if f.Cgroup.Parent != "" {
		s.Linux.CgroupsPath = path.Join(r.parent(f.Cgroup.Parent), in.ID)
	} else if r.CgroupParent != "" {
		lost = append(lost, "--cgroup-parent")
	}
	if len(r.Unified) > 0 {
		if f.Cgroup.Parent != "" && f.Cgroup.Version == host.CgroupV2 {
			res.Unified = map[string]string{}
		} else {
			lost = append(lost, "--cgroup-conf")
		}
	}
	for _, conf := range r.Unified {
		if file, value, _ := strings.Cut(conf, "="); res.Unified != nil {
			res.Unified[file] = value
		}
	}
	var warnings []string
	if len(lost) > 0 {
		warnings = append(warnings, lostLimits(lost, f.Cgroup))
	}
	if len(gone) > 0 {
		warnings = append(warnings, fmt.Sprintf("cannot apply %s, so the container runs without: control groups of version 2 have no such limits", strings.Join(gone, ", ")))
	}
	return r.applyOOMScore(s, f, warnings), nil
}

func (r *Resources) applyMemory(res *specs.LinuxResources, f host.Facts, want func(controller, flag string) bool) {
	out := &specs.LinuxMemory{}
	if r.Memory > 0 && want("memory", "memory") {
		out.Limit, out.Swap = &r.Memory, r.swap(f)
	}
	if r.MemoryReservation > 0 && want("memory", "memory-reservation") {
		out.Reservation = &r.MemoryReservation
	}
	if r.Swappiness != nil && want("memory"+ofVersion1, "memory-swappiness") {
		out.Swappiness = r.Swappiness
	}
	if r.NoOOMKiller && want("memory"+ofVersion1, "oom-kill-disable") {
		out.DisableOOMKiller = &r.NoOOMKiller
	}
	if *out != (specs.LinuxMemory{}) {
		res.Memory = out
	}
}

// parent is the group that the container's is in, given the one for containers.
func (r *Resources) parent(usual string) string {
	if path.IsAbs(r.CgroupParent) {
		return path.Clean(r.CgroupParent)
	}
	return path.Join(usual, path.Clean("/"+r.CgroupParent)) // not above it
}

func lostLimits(flags []string, c host.Cgroup) string {
	why := c.Why
	if c.Parent != "" {
		why = "the cgroup " + path.Dir(c.Parent) + " has only the controllers " + strings.Join(c.Controllers, ", ")
	}
	return fmt.Sprintf("cannot apply %s, so the container runs without: %s", strings.Join(flags, ", "), why)
}

func (r *Resources) swap(f host.Facts) *int64 {
	swap := r.MemorySwap
	if swap == 0 {
		swap = 2 * r.Memory
	}
	if !f.Cgroup.Swap || swap < 0 && swap != -1 {
		return nil
	}
	return &swap
}

func (r *Resources) applyOOMScore(s *specs.Spec, f host.Facts, warnings []string) []string {
	if r.OOMScore == nil {
		return warnings
	}
	score := *r.OOMScore
	if f.Rootless && score < f.OOMScore {
		warnings = append(warnings, fmt.Sprintf("cannot apply --oom-score-adj %d, so the container has %d: only root may go below the caller's", score, f.OOMScore))
		score = f.OOMScore
	}
	s.Process.OOMScoreAdj = &score
	return warnings
}
