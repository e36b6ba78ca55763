package config

import (
	"bufio"
	"bytes"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/BurntSushi/toml"
	"go.podman.io/storage/pkg/configfile"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Containers is what containers.conf(5) says of containers in general. An empty field is one that no
// file set and that has no default here.
type Containers struct {
	Annotations  []string // key=value
	Capabilities []string // with the CAP_ prefix or without; empty: the built-in set
	Devices      []string // as --device
	DNSOptions   []string
	DNSSearches  []string
	DNSServers   []string
	Env          []string // KEY=VALUE
	Init         bool     // run an init as PID 1
	Labels       []string // key=value
	LogDriver    string
	LogSizeMax   int64 // bytes; 0 is unlimited
	Network      string
	HostsFile    string // what /etc/hosts begins with: a path, image or none
	NoHosts      bool   // do not write /etc/hosts
	PidsLimit    int64
	SeccompPath  string // a profile instead of the built-in one
	ShmSize      string // "64m"
	Sysctls      []string
	Timezone     string
	Ulimits      []string // as --ulimit
	Umask        string   // octal
	Volumes      []string // as -v

	DetachKeys         string
	ImageParallel      uint // how many layers are copied at a time; 0: the library's choice
	NetworkCommandOpts []string
	PastaOptions       []string
	Uplink             string // MOSS_UPLINK or default_rootless_network_cmd; "" is the first that is there
	PullPolicy         string
	Runtime            string              // "" is Moss's own launcher
	Runtimes           map[string][]string // name: paths to try
	StopTimeout        uint                // seconds

	Subnet      netip.Prefix // of the default network; not valid: the built-in one
	SubnetPools []SubnetPool // that networks' subnets are taken from, in order; none: the built-in ones
}

// file is the part of containers.conf that is read.
type file struct {
	Containers struct {
		Annotations  configfile.Slice `toml:"annotations"`
		Capabilities configfile.Slice `toml:"default_capabilities"`
		Devices      configfile.Slice `toml:"devices"`
		DNSOptions   configfile.Slice `toml:"dns_options"`
		DNSSearches  configfile.Slice `toml:"dns_searches"`
		DNSServers   configfile.Slice `toml:"dns_servers"`
		Env          configfile.Slice `toml:"env"`
		HostsFile    string           `toml:"base_hosts_file"`
		Init         bool             `toml:"init"`
		Labels       configfile.Slice `toml:"container_labels"`
		LogDriver    string           `toml:"log_driver"`
		LogSizeMax   int64            `toml:"log_size_max"`
		Network      string           `toml:"netns"`
		NoHosts      bool             `toml:"no_hosts"`
		PidsLimit    int64            `toml:"pids_limit"`
		SeccompPath  string           `toml:"seccomp_profile"`
		ShmSize      string           `toml:"shm_size"`
		Sysctls      configfile.Slice `toml:"default_sysctls"`
		Timezone     string           `toml:"tz"`
		Ulimits      configfile.Slice `toml:"default_ulimits"`
		Umask        string           `toml:"umask"`
		Volumes      configfile.Slice `toml:"volumes"`
	} `toml:"containers"`
	Engine struct {
		DetachKeys         string              `toml:"detach_keys"`
		ImageParallel      uint                `toml:"image_parallel_copies"`
		NetworkCommandOpts configfile.Slice    `toml:"network_cmd_options"`
		PullPolicy         string              `toml:"pull_policy"`
		Runtime            string              `toml:"runtime"`
		Runtimes           map[string][]string `toml:"runtimes"`
		StopTimeout        uint                `toml:"stop_timeout"`
	} `toml:"engine"`
	Network networkTable `toml:"network"`
}

// loadContainers starts from the defaults of containers.conf(5) that differ from zero.
func loadContainers(uid int) (_ Containers, err error) {
	var f file
	f.Containers.LogDriver = "k8s-file"
	f.Containers.PidsLimit = 2048
	f.Containers.ShmSize = "65536k"
	f.Containers.Umask = "0022"
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
	if c.Subnet, c.SubnetPools, err = f.Network.subnets(); err != nil {
		return Containers{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot use containers.conf: %w", err)
	}
	return c, nil
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
		Annotations: c.Annotations.Get(), Capabilities: c.Capabilities.Get(), Devices: c.Devices.Get(),
		DNSOptions: c.DNSOptions.Get(), DNSSearches: c.DNSSearches.Get(), DNSServers: c.DNSServers.Get(),
		Env: c.Env.Get(), HostsFile: c.HostsFile, Init: c.Init, Labels: c.Labels.Get(),
		LogDriver: c.LogDriver, LogSizeMax: max(c.LogSizeMax, 0),
		Network: c.Network, NoHosts: c.NoHosts, PidsLimit: c.PidsLimit,
		SeccompPath: c.SeccompPath, ShmSize: c.ShmSize, Sysctls: c.Sysctls.Get(),
		Timezone: c.Timezone, Ulimits: c.Ulimits.Get(), Umask: c.Umask, Volumes: c.Volumes.Get(),
		DetachKeys: e.DetachKeys, ImageParallel: e.ImageParallel,
		NetworkCommandOpts: e.NetworkCommandOpts.Get(), PastaOptions: f.Network.PastaOptions.Get(),
		Uplink: first(os.Getenv("MOSS_UPLINK"), f.Network.Uplink), PullPolicy: e.PullPolicy,
		Runtime: e.Runtime, Runtimes: e.Runtimes, StopTimeout: e.StopTimeout,
	}
}
