package libpod

import (
	"os"
	goruntime "runtime"
	"strings"
	"time"

	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/spec"
)

// DockerInfo is what `docker info` calls some of the same things, for the templates that scripts have.
type DockerInfo struct {
	Containers        int
	ContainersRunning int
	ContainersPaused  int
	ContainersStopped int
	Images            int
	Driver            string
	DockerRootDir     string
	Plugins           PluginInfo
	MemoryLimit       bool
	SwapLimit         bool
	CPUCfsPeriod      bool `json:"CpuCfsPeriod"`
	CPUCfsQuota       bool `json:"CpuCfsQuota"`
	CPUShares         bool
	CPUSet            bool
	PidsLimit         bool
	SystemTime        time.Time
	LoggingDriver     string
	CgroupDriver      string
	CgroupVersion     string // 1 or 2
	KernelVersion     string
	OperatingSystem   string // the distribution's name of itself
	OSVersion         string
	OSType            string
	Architecture      string // as uname -m has it
	NCPU              int
	MemTotal          int64 // bytes
	Name              string
	ServerVersion     string
	Runtimes          map[string]RuntimeInfo
	DefaultRuntime    string
	SecurityOptions   []string
	Swarm             SwarmInfo
	Warnings          []string
}

// PluginInfo names what there is to choose from, by Docker's and Podman's names.
type PluginInfo struct{ Volume, Network, Log []string }

// RuntimeInfo is about one launcher.
type RuntimeInfo struct {
	Path string `json:"path"`
}

// SwarmInfo says that there is no swarm.
type SwarmInfo struct{ LocalNodeState string }

// machines are the names that uname(1) has for architectures, where they differ from Go's.
var machines = map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "arm": "armv7l", "loong64": "loongarch64"}

// docker says again, by Docker's names, what is known.
func (i *Info) docker(facts *host.Facts) DockerInfo {
	group, h, store := facts.Cgroup, &i.Host, &i.Store
	d := DockerInfo{
		Containers: store.ContainerStore.Number, ContainersRunning: store.ContainerStore.Running, ContainersStopped: store.ContainerStore.Stopped,
		Images: store.ImageStore.Number, Driver: store.GraphDriverName, DockerRootDir: store.GraphRoot,
		Plugins:     PluginInfo{Volume: []string{"local"}, Network: []string{"bridge", "host", "none", "pasta", "slirp4netns"}, Log: []string{spec.LogK8sFile, spec.LogNone}},
		MemoryLimit: group.Has("memory"), SwapLimit: group.Has("memory") && group.Swap,
		CPUCfsPeriod: group.Has("cpu"), CPUCfsQuota: group.Has("cpu"), CPUShares: group.Has("cpu"), CPUSet: group.Has("cpuset"), PidsLimit: group.Has("pids"),
		SystemTime: time.Now(), LoggingDriver: h.LogDriver, CgroupDriver: h.CgroupManager, CgroupVersion: "1", KernelVersion: h.Kernel,
		OperatingSystem: h.Distribution.PrettyName, OSVersion: h.Distribution.Version, OSType: h.OS, Architecture: h.Arch,
		NCPU: h.CPUs, MemTotal: h.MemTotal, Name: h.Hostname, ServerVersion: i.Version.Version,
		Runtimes: map[string]RuntimeInfo{h.OCIRuntime.Name: {}}, DefaultRuntime: h.OCIRuntime.Name, SecurityOptions: securityNames(facts),
		Swarm: SwarmInfo{"inactive"}, Warnings: []string{},
	}
	if group.Version == host.CgroupV2 {
		d.CgroupVersion = "2"
	}
	if machine := machines[goruntime.GOARCH]; machine != "" {
		d.Architecture = machine
	}
	return d
}

func securityNames(f *host.Facts) []string {
	names := []string{"name=seccomp,profile=builtin"}
	if f.AppArmor {
		names = append(names, "name=apparmor")
	}
	if f.Rootless {
		names = append(names, "name=rootless")
	}
	return names
}

// osRelease reads os-release(5), as far as it is there.
func osRelease() Distribution {
	var d Distribution
	for _, name := range []string{"/usr/lib/os-release", "/etc/os-release"} { // the second one counts
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			to := map[string]*string{"ID": &d.Distribution, "VERSION_ID": &d.Version, "VERSION_CODENAME": &d.Codename, "PRETTY_NAME": &d.PrettyName}[key]
			if to != nil {
				*to = strings.Trim(value, `"'`)
			}
		}
	}
	return d
}
