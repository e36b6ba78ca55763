package runtime

import (
	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// cgroupResources are the limits of an OCI configuration in the words of the cgroups library. Rules about devices
// are added where they can be had (limitDevices). Where not, what a container may not use it cannot make, because mknod(2) needs a capability
// that it does not get (createCgroup), and what an image brings along cannot be opened, because root file systems are mounted nodev.
func cgroupResources(r *specs.LinuxResources) *cgroups.Resources {
	c := &cgroups.Resources{SkipDevices: true}
	if r == nil {
		return c
	}
	setMemory(c, r.Memory)
	setCPU(c, r.CPU)
	setBlockIO(c, r.BlockIO)
	if r.Pids != nil {
		c.PidsLimit = r.Pids.Limit
	}
	for _, h := range r.HugepageLimits {
		c.HugetlbLimit = append(c.HugetlbLimit, &cgroups.HugepageLimit{Pagesize: h.Pagesize, Limit: h.Limit})
	}
	c.Unified = r.Unified
	return c
}

func setMemory(c *cgroups.Resources, m *specs.LinuxMemory) {
	if m == nil {
		return
	}
	c.Memory, c.MemorySwap, c.MemoryReservation = value(m.Limit), value(m.Swap), value(m.Reservation)
	c.MemorySwappiness = m.Swappiness
	c.OomKillDisable = value(m.DisableOOMKiller)
}

func setCPU(c *cgroups.Resources, p *specs.LinuxCPU) {
	if p == nil {
		return
	}
	c.CpuShares, c.CpuPeriod, c.CpuQuota = value(p.Shares), value(p.Period), value(p.Quota)
	c.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(c.CpuShares)
	c.CpuRtRuntime, c.CpuRtPeriod = value(p.RealtimeRuntime), value(p.RealtimePeriod)
	c.CpuBurst = p.Burst
	c.CpusetCpus, c.CpusetMems = p.Cpus, p.Mems
	c.CPUIdle = p.Idle
}

func setBlockIO(c *cgroups.Resources, b *specs.LinuxBlockIO) {
	if b == nil {
		return
	}
	c.BlkioWeight, c.BlkioLeafWeight = value(b.Weight), value(b.LeafWeight)
	for _, d := range b.WeightDevice {
		c.BlkioWeightDevice = append(c.BlkioWeightDevice,
			cgroups.NewWeightDevice(d.Major, d.Minor, value(d.Weight), value(d.LeafWeight)))
	}
	c.BlkioThrottleReadBpsDevice = throttles(b.ThrottleReadBpsDevice)
	c.BlkioThrottleWriteBpsDevice = throttles(b.ThrottleWriteBpsDevice)
	c.BlkioThrottleReadIOPSDevice = throttles(b.ThrottleReadIOPSDevice)
	c.BlkioThrottleWriteIOPSDevice = throttles(b.ThrottleWriteIOPSDevice)
}

func throttles(list []specs.LinuxThrottleDevice) []*cgroups.ThrottleDevice {
	var out []*cgroups.ThrottleDevice
	for _, d := range list {
		out = append(out, cgroups.NewThrottleDevice(d.Major, d.Minor, d.Rate))
	}
	return out
}

// value is what a pointer leads to, the zero value when it is nil.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
