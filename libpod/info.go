package libpod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"time"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
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
	MemFree        int64             `json:"memFree"`
	SwapTotal      int64             `json:"swapTotal"`
	SwapFree       int64             `json:"swapFree"`
	Uptime         string            `json:"uptime"`
	NetworkBackend string            `json:"networkBackend"` // moss
	Linkmode       string            `json:"linkmode"`       // static
	CgroupControl  []string          `json:"cgroupControllers"`
	OCIRuntime     OCIRuntimeInfo    `json:"ociRuntime"`
	RuntimeDir     string            `json:"runtimeDir"`
	Security       SecurityInfo      `json:"security"`
	IDMappings     IDMappings        `json:"idMappings"` // nil ranges as real root
	Helpers        map[string]string `json:"helpers"`    // program: path, "" where it is not installed
	Uplink         UplinkInfo        `json:"uplink"`
}

// Distribution is what the system calls itself: os-release(5).
type Distribution struct {
	Distribution string `json:"distribution"`
	Version      string `json:"version"`
	Codename     string `json:"codename,omitempty"`
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
	UIDMap []IDMap `json:"uidmap"`
	GIDMap []IDMap `json:"gidmap"`
}

// IDMap is a range of ids, in the namespace and on the host.
type IDMap struct {
	ContainerID int `json:"container_id"`
	HostID      int `json:"host_id"`
	Size        int `json:"size"`
}

// StoreInfo is about the directories and what is in them.
type StoreInfo struct {
	GraphRoot          string            `json:"graphRoot"`
	GraphRootAllocated int64             `json:"graphRootAllocated"` // bytes of its file system, and of them
	GraphRootUsed      int64             `json:"graphRootUsed"`      // used by anybody
	RunRoot            string            `json:"runRoot"`
	GraphDriverName    string            `json:"graphDriverName"`
	GraphOptions       map[string]string `json:"graphOptions"` // of the driver, by their names in storage.conf
	ContainerStore     ContainerCount    `json:"containerStore"`
	ImageStore         ImageCount        `json:"imageStore"`
	VolumePath         string            `json:"volumePath"`
}

// ImageCount counts images.
type ImageCount struct {
	Number int `json:"number"`
}

// ContainerCount counts containers.
type ContainerCount struct {
	Number  int `json:"number"`
	Paused  int `json:"paused"` // 0
	Running int `json:"running"`
	Stopped int `json:"stopped"`
}

// VersionInfo is about this program.
type VersionInfo struct {
	Version string `json:"Version"`
	// APIVersion is that of Docker's API whose words the commands have. Programs ask for it to learn how new a docker is; no API is served.
	APIVersion string `json:"APIVersion"`
	GoVersion  string `json:"GoVersion"`
	OSArch     string `json:"OsArch"`
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
		CgroupsVersion: string(facts.Cgroup.Version), CgroupControl: append([]string{}, facts.Cgroup.Controllers...), CgroupManager: "none",
		Distribution: osRelease(), LogDriver: spec.LogK8sFile, NetworkBackend: "moss", Linkmode: "static",
		OCIRuntime: OCIRuntimeInfo{Name: "moss", Version: version}, RuntimeDir: e.Config.RuntimeDir,
		Security: SecurityInfo{Rootless: facts.Rootless, AppArmor: facts.AppArmor, SELinux: facts.SELinux, Seccomp: true},
		Helpers:  host.FindHelpers(), Uplink: e.uplinkInfo(),
	}
	if facts.Rootless {
		info.Host.Security.SingleID = mappings.Single()
		info.Host.IDMappings = IDMappings{UIDMap: idMaps(mappings.UIDs), GIDMap: idMaps(mappings.GIDs)}
	}
	if err := info.Host.measure(); err != nil {
		return nil, err
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
		GraphOptions: map[string]string{},
	}
	for _, option := range e.Config.Storage.Options {
		key, value, _ := strings.Cut(option, "=")
		info.Store.GraphOptions[key] = value
	}
	if err := info.Store.measure(); err != nil {
		return nil, err
	}
	info.DockerInfo = info.docker(&facts)
	return info, nil
}

func idMaps(ranges []rootless.Range) []IDMap {
	maps := make([]IDMap, len(ranges))
	for i, r := range ranges {
		maps[i] = IDMap{ContainerID: r.Inside, HostID: r.Host, Size: r.Size}
	}
	return maps
}

// measure asks the kernel how much memory there is and for how long it has run.
func (h *HostInfo) measure() error {
	m, err := sys.ReadMachine()
	if err != nil {
		return fmt.Errorf("cannot tell how much memory there is: %w", err)
	}
	h.MemTotal, h.MemFree, h.SwapTotal, h.SwapFree = m.MemTotal, m.MemFree, m.SwapTotal, m.SwapFree
	h.Uptime = fmt.Sprintf("%dh %dm %.2fs", int(m.Uptime.Hours()), int(m.Uptime.Minutes())%60, (m.Uptime % time.Minute).Seconds())
	if days := m.Uptime.Hours() / 24; days >= 0.01 {
		h.Uptime += fmt.Sprintf(" (Approximately %.2f days)", days)
	}
	return nil
}

// measure asks for the file system that the store is on, or will be made on.
func (s *StoreInfo) measure() (err error) {
	for dir := s.GraphRoot; ; dir = filepath.Dir(dir) {
		s.GraphRootAllocated, s.GraphRootUsed, err = sys.FsUse(dir)
		if !errors.Is(err, os.ErrNotExist) || dir == "/" {
			return err
		}
	}
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

// dockerAPI is the version of Docker's API after which inspect is modelled.
const dockerAPI = "1.51"

// VersionOf describes this build.
func VersionOf(version string) VersionInfo {
	return VersionInfo{Version: version, APIVersion: dockerAPI, GoVersion: goruntime.Version(), OSArch: goruntime.GOOS + "/" + goruntime.GOARCH, OS: goruntime.GOOS, Arch: goruntime.GOARCH}
}
