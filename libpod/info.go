package libpod

import (
	"os"
	"path/filepath"
	goruntime "runtime"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/rootless"
	"github.com/mosscontainers/moss/storage"
)

// Info is what `moss info` shows.
type Info struct {
	Host    HostInfo    `json:"host"`
	Store   StoreInfo   `json:"store"`
	Version VersionInfo `json:"version"`
	DockerInfo
}

// HostInfo is about this machine and this user.
type HostInfo struct {
	Arch           string            `json:"arch"`
	OS             string            `json:"os"`
	Hostname       string            `json:"hostname"`
	CPUs           int               `json:"cpus"`
	Kernel         string            `json:"kernel"`
	CgroupsVersion string            `json:"cgroupVersion"`
	CgroupManager  string            `json:"cgroupManager"` // none, or cgroupfs
	Distribution   Distribution      `json:"distribution"`
	LogDriver      string            `json:"logDriver"`
	MemTotal       int64             `json:"memTotal"` // bytes
	CgroupControl  []string          `json:"cgroupControllers"`
	OCIRuntime     OCIRuntimeInfo    `json:"ociRuntime"`
	RuntimeDir     string            `json:"runtimeDir"`
	Security       SecurityInfo      `json:"security"`
	IDMappings     *IDMappings       `json:"idMappings,omitempty"`
	Helpers        map[string]string `json:"helpers"` // program: path, "" where it is not installed
	Uplink         UplinkInfo        `json:"uplink"`
}

// Distribution is what the system calls itself: os-release(5).
type Distribution struct {
	Distribution string `json:"distribution"`
	Version      string `json:"version"`
	PrettyName   string `json:"-"`
}

// OCIRuntimeInfo is about the launcher that containers have unless they ask for another.
type OCIRuntimeInfo struct {
	Name    string `json:"name"`
	Path    string `json:"path"`
	Version string `json:"version"`
}

// UplinkInfo is about what connects containers with the outside.
type UplinkInfo struct {
	// Chosen is the program that the next one will be, "" when there is none: Problem says why.
	Chosen  string `json:"chosen"`
	Path    string `json:"path,omitempty"` // "" for the one that moss carries
	Problem string `json:"problem,omitempty"`
	// Running is the program that serves the user's containers now, "" when none does.
	Running string `json:"running,omitempty"`
	Pid     int    `json:"pid,omitempty"`
	IPv6    bool   `json:"ipv6"` // that it serves IPv6 too
	MTU     int    `json:"mtu,omitempty"`
	// Log tells which helpers of the networks had ended, and what took their places. It is there once there is something to tell.
	Log string `json:"log"`
	// Events are its last lines, the newest last, each with its time.
	Events []string `json:"events,omitempty"`
}

// SecurityInfo is about what confines containers.
type SecurityInfo struct {
	Rootless bool `json:"rootless"`
	SingleID bool `json:"singleID"` // no subordinate ids: only one user exists in containers
	AppArmor bool `json:"apparmorEnabled"`
	SELinux  bool `json:"selinuxEnabled"`
	Seccomp  bool `json:"seccompEnabled"`
}

// IDMappings are the ids of the user's namespace.
type IDMappings struct {
	UIDs []rootless.Range `json:"uidmap"`
	GIDs []rootless.Range `json:"gidmap"`
}

// StoreInfo is about the directories and what is in them.
type StoreInfo struct {
	GraphRoot       string         `json:"graphRoot"`
	RunRoot         string         `json:"runRoot"`
	GraphDriverName string         `json:"graphDriverName"`
	ContainerStore  ContainerCount `json:"containerStore"`
	ImageStore      ImageCount     `json:"imageStore"`
	VolumePath      string         `json:"volumePath"`
}

// ImageCount counts images.
type ImageCount struct {
	Number int `json:"number"`
}

// ContainerCount counts containers.
type ContainerCount struct {
	Number  int `json:"number"`
	Running int `json:"running"`
	Stopped int `json:"stopped"`
}

// VersionInfo is about this program.
type VersionInfo struct {
	Version   string `json:"Version"`
	GoVersion string `json:"GoVersion"`
	OSArch    string `json:"OsArch"`
	// OS and Arch are the same, by Docker's names.
	OS   string `json:"Os"`
	Arch string `json:"Arch"`
}

// Info looks at the host and the store.
func (e *Engine) Info(ctx Context, version string) (*Info, error) {
	facts, err := e.Facts()
	if err != nil {
		return nil, err
	}
	mappings, err := rootless.Configured(ctx, rootless.HostUID(), rootless.HostGID())
	if err != nil {
		return nil, err
	}
	containers, err := e.List()
	if err != nil {
		return nil, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	info := &Info{Version: VersionOf(version)}
	info.Host = HostInfo{
		Arch: goruntime.GOARCH, OS: goruntime.GOOS, Hostname: hostname, CPUs: goruntime.NumCPU(), Kernel: facts.Kernel,
		CgroupsVersion: string(facts.Cgroup.Version), CgroupControl: facts.Cgroup.Controllers, CgroupManager: "none",
		Distribution: osRelease(), LogDriver: spec.LogK8sFile, MemTotal: memTotal(),
		OCIRuntime: OCIRuntimeInfo{Name: "moss", Version: version}, RuntimeDir: e.Config.RuntimeDir,
		Security: SecurityInfo{Rootless: facts.Rootless, AppArmor: facts.AppArmor, SELinux: facts.SELinux, Seccomp: true},
		Helpers:  host.FindHelpers(), Uplink: e.uplinkInfo(),
	}
	if facts.Rootless {
		info.Host.Security.SingleID = mappings.Single()
		info.Host.IDMappings = &IDMappings{UIDs: mappings.UIDs, GIDs: mappings.GIDs}
	}
	if facts.Cgroup.Parent != "" {
		info.Host.CgroupManager = "cgroupfs"
	}
	images, err := storage.ListImages(e.Config.Storage)
	if err != nil {
		return nil, err
	}
	info.Store = StoreInfo{
		GraphRoot: e.Config.Storage.GraphRoot, RunRoot: e.Config.Storage.RunRoot, GraphDriverName: e.Config.Storage.Driver,
		ContainerStore: count(containers), ImageStore: ImageCount{len(images)}, VolumePath: filepath.Join(e.Store.Dir, "volumes"),
	}
	info.DockerInfo = info.docker(&facts)
	return info, nil
}

func count(containers []*state.Container) ContainerCount {
	n := ContainerCount{Number: len(containers)}
	for _, c := range containers {
		if c.State.Active() {
			n.Running++
		}
	}
	n.Stopped = n.Number - n.Running
	return n
}

// VersionOf describes this build.
func VersionOf(version string) VersionInfo {
	return VersionInfo{Version: version, GoVersion: goruntime.Version(), OSArch: goruntime.GOOS + "/" + goruntime.GOARCH, OS: goruntime.GOOS, Arch: goruntime.GOARCH}
}
