package inspect

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/spec"
)

// What a description leaves open stands for this.
const (
	defaultStopSignal  = "SIGTERM"
	defaultStopTimeout = 10              // seconds
	defaultShmSize     = int64(64) << 20 // bytes
	nanosPerCore       = 1_000_000_000   // of NanoCpus
	storageDriver      = "overlay"       // the only one there is
	privateNamespace   = "private"       // a namespace of its own
)

// Facts are what neither the description nor the record of a container says. All may be left empty.
type Facts struct {
	Capabilities   []string // effective and bounding: CAP_CHOWN, …
	LogPath        string
	ResolvConfPath string
	HostnamePath   string
	HostsPath      string
	ImageDigest    string
	Hostname       string            // what the container calls itself when its description does not say
	Layers         map[string]string // LowerDir, UpperDir, WorkDir
	SizeRw         *int64            // bytes
	SizeRootFs     *int64            // bytes
	// VolumePath finds the directory of a named volume.
	VolumePath func(name string) string
}

// Container is the document of c. Its record should be the observed one ([state.Record.Observed]).
func Container(c *state.Container, f Facts) *ContainerData {
	s, r := c.Spec, &c.State
	command := slices.Concat(s.Entrypoint, s.Command)
	d := &ContainerData{
		ID: s.ID, Name: s.Name, Created: s.Created,
		Image: s.Image.ID, ImageDigest: f.ImageDigest, ImageName: s.Image.Name, Rootfs: s.Image.Rootfs,
		Args:           []string{},
		State:          stateOf(r),
		StaticDir:      c.Dir,
		ResolvConfPath: f.ResolvConfPath, HostnamePath: f.HostnamePath, HostsPath: f.HostsPath, LogPath: logPath(s, f),
		OCIRuntime:   cmp.Or(s.Runtime, "moss"),
		RestartCount: r.RestartCount,
		Driver:       storageDriver, Platform: "linux",
		GraphDriver:   GraphDriver{Name: storageDriver, Data: f.Layers},
		EffectiveCaps: present(f.Capabilities), BoundingCaps: present(f.Capabilities),
		ExecIDs: []string{}, Dependencies: dependencies(s),
		SizeRw: f.SizeRw, SizeRootFs: f.SizeRootFs,
		Mounts:          mounts(s.Mounts.List, f.VolumePath),
		NetworkSettings: networkSettings(s, r),
		Config:          config(s, f),
		HostConfig:      hostConfig(s, f),
	}
	if len(command) > 0 {
		d.Path, d.Args = command[0], command[1:]
	}
	return d
}

// dependencies are the ids of the containers that have namespaces of this one, each once.
func dependencies(c *spec.Container) []string {
	ids := []string{}
	for _, mode := range []string{c.PID, c.IPC, c.UTS, c.Cgroup, c.Network.Mode} {
		if id, ok := strings.CutPrefix(mode, "container:"); ok && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func stateOf(r *state.Record) State {
	s := State{
		OciVersion: specs.Version,
		Status:     string(r.Status), Running: r.Status == state.Running || r.Status == state.Stopping, Restarting: r.Status == state.Restarting, OOMKilled: r.OOMKilled, ExitCode: r.ExitCode, Error: r.Error,
		StartedAt: r.StartedAt, FinishedAt: r.FinishedAt,
	}
	if s.Running && !r.Elsewhere {
		s.Pid, s.ConmonPid, s.CgroupPath = r.Init.Pid, r.Monitor.Pid, r.Cgroup
	}
	return s
}

func config(c *spec.Container, f Facts) Config {
	stopTimeout := defaultStopTimeout
	if c.StopTimeout != nil {
		stopTimeout = int(*c.StopTimeout)
	}
	if c.StopTimeout != nil && *c.StopTimeout == spec.Endless {
		stopTimeout = -1
	}
	hostname := cmp.Or(c.Hostname, f.Hostname)
	return Config{
		Hostname: hostname, User: c.Identity.User,
		ExposedPorts: exposed(&c.Network),
		Tty:          c.Terminal, OpenStdin: c.OpenStdin, AttachStdin: c.OpenStdin,
		Env: c.Variables(hostname), Cmd: present(c.Command), Entrypoint: present(c.Entrypoint), WorkingDir: cmp.Or(c.WorkDir, "/"),
		Image: c.Image.Name, Volumes: imageVolumes(c.Mounts.List),
		Labels: presentMap(c.Labels), Annotations: presentMap(c.Annotations),
		StopSignal: cmp.Or(c.StopSignal, defaultStopSignal), StopTimeout: stopTimeout,
		CreateCommand: c.CreateCommand, Timezone: c.Timezone, Umask: umask(c.Umask),
	}
}

func umask(mask *uint32) string {
	if mask == nil {
		return "0022"
	}
	return fmt.Sprintf("%04o", *mask)
}

func hostConfig(c *spec.Container, f Facts) HostConfig {
	oomScore := 0
	if c.OOMScore != nil {
		oomScore = *c.OOMScore
	}
	cgroupMode := cmp.Or(c.Cgroup, privateNamespace)
	return HostConfig{
		Binds: binds(c.Mounts.List), Tmpfs: tmpfs(c.Mounts.List), ShmSize: cmp.Or(c.ShmSize, defaultShmSize),
		ReadonlyRootfs: c.ReadOnly, Devices: devices(c.Devices), DeviceRequests: deviceRequests(c), DeviceCgroupRules: deviceRules(c.DeviceRules),
		ContainerIDFile: c.CIDFile, AutoRemove: c.Remove, Runtime: cmp.Or(c.Runtime, "moss"), Init: c.Init,
		LogConfig:     LogConfig{Type: cmp.Or(c.LogDriver, spec.LogK8sFile), Path: logPath(c, f)},
		RestartPolicy: RestartPolicy{Name: cmp.Or(c.Restart.Policy, "no"), MaximumRetryCount: c.Restart.Retries},
		NetworkMode:   c.Network.Mode, PortBindings: portBindings(c.Ports, ""), PublishAllPorts: c.PublishAll,
		DNS: present(c.DNS), Egress: c.Egress, DNSOptions: present(c.DNSOptions), DNSSearch: present(c.DNSSearch), ExtraHosts: present(c.AddHosts),
		IpcMode: cmp.Or(c.IPC, privateNamespace), PidMode: cmp.Or(c.PID, privateNamespace), UTSMode: cmp.Or(c.UTS, privateNamespace),
		UsernsMode: c.Userns, CgroupMode: cgroupMode, CgroupnsMode: cgroupMode,
		CapAdd: present(c.CapAdd), CapDrop: present(c.CapDrop), Privileged: c.Privileged, GroupAdd: present(c.Groups),
		SecurityOpt: securityOptions(c.Security), Sysctls: presentMap(c.Sysctls),
		Memory: c.Memory, MemorySwap: c.MemorySwap, NanoCpus: int64(math.Round(c.CPUs * nanosPerCore)), PidsLimit: c.PidsLimit, OomScoreAdj: oomScore,
		MemoryReservation: c.MemoryReservation, MemorySwappiness: c.Swappiness, OomKillDisable: c.NoOOMKiller, BlkioWeight: c.BlkioWeight,
		CPURealtimePeriod: c.CPU.RealtimePeriod, CPURealtimeRuntime: c.CPU.RealtimeRuntime,
		CPUShares: c.CPU.Shares, CPUPeriod: c.CPU.Period, CPUQuota: c.CPU.Quota, CpusetCpus: c.CPU.Cpus, CpusetMems: c.CPU.Mems, CgroupParent: c.CgroupParent,
		Ulimits: ulimits(c.Rlimits), VolumesFrom: volumesFrom(c.VolumesFrom),
	}
}

func volumesFrom(all []spec.VolumesFrom) []string {
	list := make([]string, 0, len(all))
	for _, v := range all {
		list = append(list, v.String())
	}
	return list
}

func securityOptions(s spec.Security) []string {
	options := []string{}
	if s.NoNewPrivileges {
		options = append(options, "no-new-privileges")
	}
	if s.Seccomp != "" {
		options = append(options, "seccomp="+s.Seccomp)
	}
	if s.AppArmor != "" {
		options = append(options, "apparmor="+s.AppArmor)
	}
	for _, path := range s.Mask {
		options = append(options, "mask="+path)
	}
	for _, pattern := range s.Unmask {
		options = append(options, "unmask="+pattern)
	}
	return options
}

func ulimits(limits map[string]spec.Rlimit) []Ulimit {
	list := make([]Ulimit, 0, len(limits))
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		l := limits[name]
		list = append(list, Ulimit{Name: "RLIMIT_" + strings.ToUpper(name), Soft: l.Soft, Hard: l.Hard})
	}
	return list
}

func devices(devices []spec.Device) []Device {
	list := make([]Device, 0, len(devices))
	for _, d := range devices {
		if d.Name != "" {
			continue
		}
		list = append(list, Device{PathOnHost: d.Host, PathInContainer: d.Container, CgroupPermissions: d.Access})
	}
	return list
}

func deviceRequests(c *spec.Container) []DeviceRequest {
	if names := c.DeviceNames(); len(names) > 0 {
		return []DeviceRequest{{Driver: "cdi", DeviceIDs: names}}
	}
	return nil
}

func deviceRules(rules []spec.DeviceRule) []string {
	list := make([]string, 0, len(rules))
	for _, r := range rules {
		list = append(list, string(r))
	}
	return list
}

// logPath is where the output is kept.
func logPath(c *spec.Container, f Facts) string {
	if c.LogDriver == spec.LogNone {
		return ""
	}
	return f.LogPath
}

func exposed(n *spec.Network) map[string]struct{} {
	set := map[string]struct{}{}
	for _, port := range n.Exposed() {
		set[port] = struct{}{}
	}
	return set
}

// present makes an empty list of none: tools that read the document iterate without asking.
func present(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func presentMap(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
