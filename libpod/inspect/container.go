// Package inspect makes the documents that `inspect` prints, in the shape that docker's and podman's
// users and tools read. Such a document is a view: it is made when somebody asks, from the container's
// description and its record, and stored nowhere.
//
// Where docker and podman differ the shape is podman's. Fields go by docker's names in JSON.
package inspect

import (
	"time"

	"github.com/mosscontainers/moss/pkg/spec"
)

// ContainerData is the document of one container.
// https://docs.docker.com/reference/api/engine/version/v1.51/#tag/Container/operation/ContainerInspect
type ContainerData struct {
	ID              string `json:"Id"`
	Created         time.Time
	Path            string   // the program
	Args            []string // what it is given
	State           State
	Image           string // the id, 64 hexadecimal digits
	ImageDigest     string // of its manifest; "" when the image is gone
	ImageName       string
	Rootfs          string // of --rootfs
	Pod             string
	ResolvConfPath  string
	HostnamePath    string
	HostsPath       string
	LogPath         string // where the output is kept; "" when it is not
	StaticDir       string // the container's directory
	OCIRuntime      string
	Name            string
	RestartCount    int
	Driver          string
	Platform        string   // the operating system, always linux
	Dependencies    []string // the ids of the containers whose namespaces it shares
	IsInfra         bool     // false, as long as there are no pods
	IsService       bool
	MountLabel      string
	ProcessLabel    string
	AppArmorProfile string
	EffectiveCaps   []string
	BoundingCaps    []string
	ExecIDs         []string
	GraphDriver     GraphDriver
	SizeRw          *int64 `json:",omitempty"` // bytes in the writable layer; only with --size
	SizeRootFs      *int64 `json:",omitempty"` // bytes in all layers; only with --size
	Mounts          []Mount
	NetworkSettings NetworkSettings
	Config          Config
	HostConfig      HostConfig
}

// State is how the container is.
type State struct {
	OciVersion string // of the runtime specification that the launcher is told by
	Status     string // created, running, stopping, restarting, exited
	Running    bool
	Paused     bool
	Restarting bool
	OOMKilled  bool
	Dead       bool
	Pid        int // on the host; 0 when it does not run
	ConmonPid  int // of the monitor, likewise
	ExitCode   int
	Error      string
	StartedAt  time.Time // 0001-01-01T00:00:00Z when it never was
	FinishedAt time.Time
	CgroupPath string  // below the hierarchies' mount points; "" without, and when it does not run
	Health     *Health `json:",omitempty"` // nil without a health check
}

// Health is what the health check found.
type Health struct {
	Status        string // starting, healthy, unhealthy
	FailingStreak int
	Log           []HealthResult
}

// HealthResult is one run of the health check.
type HealthResult struct {
	Start    time.Time
	End      time.Time
	ExitCode int
	Output   string
}

// GraphDriver is where the root file system is.
type GraphDriver struct {
	Name string
	Data map[string]string // LowerDir, UpperDir, WorkDir
}

// Mount is a bind mount or a volume.
type Mount struct {
	Type        string // bind, volume
	Name        string `json:",omitempty"` // of the volume
	Source      string // on the host
	Destination string
	Driver      string // "local" for a volume
	Mode        string
	Options     []string
	RW          bool
	Propagation string
}

// Config is what the container is, wherever it runs.
type Config struct {
	Hostname      string
	Domainname    string
	User          string
	AttachStdin   bool
	AttachStdout  bool
	AttachStderr  bool
	ExposedPorts  map[string]struct{} `json:",omitempty"` // "80/tcp": those of the image, of --expose and of --publish
	Tty           bool
	OpenStdin     bool
	StdinOnce     bool
	Env           []string
	Cmd           []string
	Image         string
	Volumes       map[string]struct{} // the targets of the image's own volumes
	WorkingDir    string
	Entrypoint    []string
	Labels        map[string]string
	Annotations   map[string]string
	StopSignal    string
	StopTimeout   int               // seconds; -1 is without end
	Timezone      string            `json:",omitempty"`
	Umask         string            // octal
	CreateCommand []string          `json:",omitempty"`
	Healthcheck   *spec.Healthcheck `json:",omitempty"` // nil: nobody checks yet. Runners of CI ask whether there is one
}

// HostConfig is what the container has of this host, and may do to it.
type HostConfig struct {
	Binds              []string // SOURCE:TARGET:OPTIONS
	ContainerIDFile    string
	LogConfig          LogConfig
	NetworkMode        string
	PortBindings       map[string][]PortBinding // as asked for, by "80/tcp"
	PublishAllPorts    bool
	RestartPolicy      RestartPolicy
	AutoRemove         bool
	CapAdd             []string
	CapDrop            []string
	CgroupMode         string
	CgroupnsMode       string   // docker's name of CgroupMode
	DNS                []string `json:"Dns"`
	DNSOptions         []string `json:"DnsOptions"`
	DNSSearch          []string `json:"DnsSearch"`
	ExtraHosts         []string
	Egress             []string `json:",omitempty"` // whom it may reach; empty is everybody
	GroupAdd           []string
	IpcMode            string
	PidMode            string
	UTSMode            string
	UsernsMode         string
	OomScoreAdj        int
	Privileged         bool
	ReadonlyRootfs     bool
	SecurityOpt        []string
	Sysctls            map[string]string
	Tmpfs              map[string]string // options by target
	ShmSize            int64             // bytes
	Runtime            string
	Init               bool
	Memory             int64   // bytes; 0 is no limit
	MemorySwap         int64   // bytes of memory and swap together; 0 is twice Memory, -1 no limit
	MemoryReservation  int64   // bytes; 0 is none
	MemorySwappiness   *uint64 // null leaves it to the kernel
	OomKillDisable     bool
	BlkioWeight        uint16 // 0 is no weight
	NanoCpus           int64  // billionths of a core; 0 is no limit
	CPUShares          uint64 `json:"CpuShares"`
	CPUPeriod          uint64 `json:"CpuPeriod"`          // microseconds
	CPUQuota           int64  `json:"CpuQuota"`           // microseconds of a period
	CPURealtimePeriod  uint64 `json:"CpuRealtimePeriod"`  // microseconds
	CPURealtimeRuntime int64  `json:"CpuRealtimeRuntime"` // microseconds of a period
	CpusetCpus         string
	CpusetMems         string
	CgroupParent       string
	PidsLimit          int64
	Ulimits            []Ulimit
	Devices            []Device
	DeviceRequests     []DeviceRequest `json:",omitempty"` // as Docker has those that are given by name
	// DeviceCgroupRules are as they are given.
	DeviceCgroupRules []string
	VolumesFrom       []string // CONTAINER[:MODE]
}

// LogConfig is where the output goes.
type LogConfig struct {
	Type   string
	Config map[string]string
	Path   string
}

// RestartPolicy is --restart.
type RestartPolicy struct {
	Name              string
	MaximumRetryCount uint
}

// Ulimit is one --ulimit.
type Ulimit struct {
	Name string // RLIMIT_NOFILE
	Soft int64
	Hard int64
}

// Device is one --device.
type Device struct {
	PathOnHost        string
	PathInContainer   string
	CgroupPermissions string
}

// DeviceRequest asks for devices by their names.
type DeviceRequest struct {
	Driver    string // cdi
	DeviceIDs []string
}
