package config

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"go.podman.io/storage/pkg/configfile"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Containers is what containers.conf(5) says of containers in general. An empty field is one that no
// file set and that has no default here. docs/containers-conf.md says what becomes of each setting.
type Containers struct {
	Annotations  []string // key=value
	AppArmor     string   // a profile instead of none
	Capabilities []string // with the CAP_ prefix or without, and BuiltinCapabilities
	Cgroupns     string   // as --cgroupns, and so on
	Devices      []string // as --device
	DNSOptions   []string
	DNSSearches  []string
	DNSServers   []string
	Env          []string // KEY=VALUE
	EnvHost      bool     // hand the caller's environment to containers
	HostIP       string   // the address of host.containers.internal, or none
	HostsFile    string   // what /etc/hosts begins with: a path, image or none
	HTTPProxy    bool     // hand the caller's proxy variables to containers
	Init         bool     // run an init as PID 1
	IPCns        string
	LogDriver    string
	LogSizeMax   int64    // bytes; 0 is unlimited
	Mounts       []string // as --mount
	Network      string
	NoHosts      bool // do not write /etc/hosts
	OOMScoreAdj  *int
	PIDns        string
	PidsLimit    *int64 // 0 and below are unlimited
	Privileged   bool
	ReadOnly     bool
	SeccompPath  string // a profile instead of the built-in one, or unconfined
	ShmSize      string // "64m"
	Sysctls      []string
	Timezone     string
	Ulimits      []string // as --ulimit
	Umask        string   // octal
	Userns       string
	UTSns        string
	Volumes      []string // as -v

	DetachKeys         string
	DeviceDirs         []string // where the Container Device Interface is described; none: the usual ones
	EngineEnv          []string // KEY=VALUE, for this program itself
	ImageFormat        string   // of images that are built
	CompressionFormat  string   // of layers that are pushed; "" is gzip
	CompressionLevel   *int     // nil: the format's own
	Retry              *uint    // how often transfers are tried again; nil: the commands' choice
	RetryDelay         string   // before the first repetition; "" is the commands' choice
	ImageParallel      uint     // how many layers are copied at a time; 0: the library's choice
	NetworkCommandOpts []string
	PastaOptions       []string
	Uplink             string // MOSS_UPLINK or default_rootless_network_cmd; "" is the first that is there
	PullPolicy         string
	Runtime            string              // "" is Moss's own launcher
	Runtimes           map[string][]string // name: paths to try
	StopTimeout        uint                // seconds

	PublishOn   []string     // addresses of this machine for ports that are published on none; none: all
	Subnet      netip.Prefix // of the default network; not valid: the built-in one
	SubnetPools []SubnetPool // that networks' subnets are taken from, in order; none: the built-in ones
}

// BuiltinCapabilities stands for those that containers have where no file says which: a list with append=true adds to them.
const BuiltinCapabilities = "BUILTIN"

// file is the part of containers.conf that is read.
type file struct {
	Containers struct {
		Annotations  configfile.Slice `toml:"annotations"`
		AppArmor     string           `toml:"apparmor_profile"`
		Capabilities configfile.Slice `toml:"default_capabilities"`
		Cgroupns     string           `toml:"cgroupns"`
		Devices      configfile.Slice `toml:"devices"`
		DNSOptions   configfile.Slice `toml:"dns_options"`
		DNSSearches  configfile.Slice `toml:"dns_searches"`
		DNSServers   configfile.Slice `toml:"dns_servers"`
		Env          configfile.Slice `toml:"env"`
		EnvHost      bool             `toml:"env_host"`
		HostIP       string           `toml:"host_containers_internal_ip"`
		HostsFile    string           `toml:"base_hosts_file"`
		HTTPProxy    bool             `toml:"http_proxy"`
		Init         bool             `toml:"init"`
		IPCns        string           `toml:"ipcns"`
		LogDriver    string           `toml:"log_driver"`
		LogSizeMax   int64            `toml:"log_size_max"`
		Mounts       configfile.Slice `toml:"mounts"`
		Network      string           `toml:"netns"`
		NoHosts      bool             `toml:"no_hosts"`
		OOMScoreAdj  *int             `toml:"oom_score_adj"`
		PIDns        string           `toml:"pidns"`
		PidsLimit    *int64           `toml:"pids_limit"`
		Privileged   bool             `toml:"privileged"`
		ReadOnly     bool             `toml:"read_only"`
		SeccompPath  string           `toml:"seccomp_profile"`
		ShmSize      string           `toml:"shm_size"`
		Sysctls      configfile.Slice `toml:"default_sysctls"`
		Timezone     string           `toml:"tz"`
		Ulimits      configfile.Slice `toml:"default_ulimits"`
		Umask        string           `toml:"umask"`
		Userns       string           `toml:"userns"`
		UTSns        string           `toml:"utsns"`
		Volumes      configfile.Slice `toml:"volumes"`
	} `toml:"containers"`
	Engine struct {
		CDISpecDirs        configfile.Slice    `toml:"cdi_spec_dirs"`
		CompressionFormat  string              `toml:"compression_format"`
		CompressionLevel   *int                `toml:"compression_level"`
		DetachKeys         string              `toml:"detach_keys"`
		Env                configfile.Slice    `toml:"env"`
		ImageFormat        string              `toml:"image_default_format"`
		ImageParallel      uint                `toml:"image_parallel_copies"`
		NetworkCommandOpts configfile.Slice    `toml:"network_cmd_options"`
		PullPolicy         string              `toml:"pull_policy"`
		Retry              *uint               `toml:"retry"`
		RetryDelay         string              `toml:"retry_delay"`
		Runtime            string              `toml:"runtime"`
		Runtimes           map[string][]string `toml:"runtimes"`
		StopTimeout        uint                `toml:"stop_timeout"`
	} `toml:"engine"`
	Network networkTable `toml:"network"`
}

// loadContainers starts from the defaults of containers.conf(5) that differ from zero.
func loadContainers(uid int) (_ Containers, err error) {
	var f file
	f.Containers.Capabilities = configfile.NewSlice([]string{BuiltinCapabilities})
	f.Containers.HTTPProxy = true
	f.Engine.DetachKeys = "ctrl-p,ctrl-q"
	f.Engine.PullPolicy = "missing"
	f.Engine.StopTimeout = 10
	files := configfile.Read(&configfile.File{
		Name: "containers", Extension: "conf", EnvironmentName: "CONTAINERS_CONF", UserId: uid,
	})
	for item, err := range files {
		if err != nil {
			return Containers{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot read containers.conf: %w", err)
		}
		if err := decode(item.Reader, &f); err != nil {
			return Containers{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot read %s: %w", item.Name, err)
		}
	}
	c := f.containers()
	if c.Subnet, c.SubnetPools, err = f.Network.subnets(); err == nil {
		c.PublishOn, err = f.Network.hostIPs()
	}
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return Containers{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot use containers.conf: %w", err)
	}
	return c, nil
}

// check refuses values that no command could use.
func (c *Containers) check() error {
	if !slices.Contains([]string{"always", "missing", "ifnotpresent", "never", "newer"}, c.PullPolicy) {
		return fmt.Errorf("pull_policy = %q: want always, missing, never or newer", c.PullPolicy)
	}
	for _, kv := range c.EngineEnv {
		if name, _, ok := strings.Cut(kv, "="); !ok || name == "" {
			return fmt.Errorf("env = [%q] of the table engine: want NAME=VALUE", kv)
		}
	}
	return nil
}

// SetEnv gives this program the variables that the table engine has for it, but for those that the caller has set otherwise: EngineEnv
// is without them then.
func (c *Containers) SetEnv() error {
	c.EngineEnv = slices.DeleteFunc(c.EngineEnv, func(kv string) bool {
		name, value, _ := strings.Cut(kv, "=")
		callers, set := os.LookupEnv(name)
		return set && callers != value // the same may come from us: moss executes itself
	})
	for _, kv := range c.EngineEnv {
		name, value, _ := strings.Cut(kv, "=")
		if err := os.Setenv(name, value); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %q of containers.conf: %w", kv, err)
		}
	}
	return nil
}

// decode is toml.Decode without the comment lines: distributions install 24 KB of them around a dozen
// settings, and parsing those would be the dearest part of loading the configuration.
func decode(r io.Reader, f *file) error {
	text, err := withoutComments(r)
	if err != nil {
		return err
	}
	_, err = toml.Decode(text, f)
	return err
}

// withoutComments empties the lines that hold only a comment and keeps their number, so that an error
// names the right line. What follows the begin of a text of several lines stays: in there, # begins no comment.
func withoutComments(r io.Reader) (string, error) {
	var kept strings.Builder
	lines, texts := bufio.NewScanner(r), false
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line := lines.Bytes()
		comment := bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("#"))
		texts = texts || !comment && (bytes.Contains(line, []byte(`"""`)) || bytes.Contains(line, []byte("'''")))
		if !comment || texts {
			kept.Write(line)
		}
		kept.WriteByte('\n')
	}
	return kept.String(), lines.Err()
}

// maxLine bounds a line of a configuration, in bytes.
const maxLine = 1 << 20

func (f *file) containers() Containers {
	c, e := &f.Containers, &f.Engine
	return Containers{
		Annotations: c.Annotations.Get(), AppArmor: c.AppArmor, Capabilities: c.Capabilities.Get(), Cgroupns: c.Cgroupns,
		Devices: c.Devices.Get(), DNSOptions: c.DNSOptions.Get(), DNSSearches: c.DNSSearches.Get(), DNSServers: c.DNSServers.Get(),
		Env: c.Env.Get(), EnvHost: c.EnvHost, HostIP: c.HostIP, HostsFile: c.HostsFile, HTTPProxy: c.HTTPProxy, Init: c.Init,
		IPCns: c.IPCns, LogDriver: c.LogDriver, LogSizeMax: max(c.LogSizeMax, 0), Mounts: c.Mounts.Get(),
		Network: c.Network, NoHosts: c.NoHosts, OOMScoreAdj: c.OOMScoreAdj, PIDns: c.PIDns, PidsLimit: c.PidsLimit,
		Privileged: c.Privileged, ReadOnly: c.ReadOnly, SeccompPath: c.SeccompPath, ShmSize: c.ShmSize, Sysctls: c.Sysctls.Get(),
		Timezone: c.Timezone, Ulimits: c.Ulimits.Get(), Umask: c.Umask, Userns: c.Userns, UTSns: c.UTSns, Volumes: c.Volumes.Get(),
		CompressionFormat: e.CompressionFormat, CompressionLevel: e.CompressionLevel, Retry: e.Retry, RetryDelay: e.RetryDelay,
		DetachKeys: e.DetachKeys, DeviceDirs: e.CDISpecDirs.Get(), EngineEnv: e.Env.Get(), ImageFormat: e.ImageFormat, ImageParallel: e.ImageParallel,
		NetworkCommandOpts: e.NetworkCommandOpts.Get(), PastaOptions: f.Network.PastaOptions.Get(),
		Uplink: first(os.Getenv("MOSS_UPLINK"), f.Network.Uplink), PullPolicy: e.PullPolicy,
		Runtime: e.Runtime, Runtimes: e.Runtimes, StopTimeout: e.StopTimeout,
	}
}
