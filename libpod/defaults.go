package libpod

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// forSteps are the settings of containers.conf that hold for the steps of a build too: those that Buildah heeds.
var forSteps = []string{
	"base_hosts_file", "cgroupns", "default_sysctls", "default_ulimits", "devices", "dns_options", "dns_searches", "dns_servers", "env", "ipcns",
	"netns", "no_hosts", "pidns", "seccomp_profile", "shm_size", "utsns", "volumes",
}

// defaults are what containers.conf says of what a description leaves open.
func (e *Engine) defaults(c *spec.Container) (*spec.Container, error) {
	return e.readDefaults(c, settings(&e.Config.Containers))
}

// stepDefaults are those of the steps of builds.
func (e *Engine) stepDefaults(c *spec.Container) (*spec.Container, error) {
	return e.readDefaults(c, slices.DeleteFunc(settings(&e.Config.Containers), func(s spec.Setting) bool {
		return !slices.Contains(forSteps, s.Name)
	}))
}

func (e *Engine) readDefaults(described *spec.Container, list []spec.Setting) (*spec.Container, error) {
	c := &e.Config.Containers
	d, err := spec.ReadDefaults(list, described.Given)
	if err == nil {
		err = checkPaths(c)
	}
	if err == nil && !slices.Equal(c.Capabilities, []string{config.BuiltinCapabilities}) {
		if err = d.SetCaps(c.Capabilities, config.BuiltinCapabilities); err != nil {
			err = fmt.Errorf("default_capabilities: %w", err)
		}
	}
	if err == nil && c.AppArmor != "" {
		err = e.confineUsually(d)
	}
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use containers.conf: %w", err)
	}
	d.HostIP, d.PublishOn = c.HostIP, c.PublishOn
	return d, nil
}

// confineUsually has containers run with a profile where there are any: as Podman has it, a usual one is not missed elsewhere.
func (e *Engine) confineUsually(d *spec.Container) error {
	facts, err := e.Facts()
	if facts.AppArmor {
		d.AppArmor = e.Config.Containers.AppArmor
	}
	return err
}

// checkPaths refuses what would be read relative to wherever a command is.
func checkPaths(c *config.Containers) error {
	for _, p := range []struct {
		key, path string
		words     []string
	}{
		{"base_hosts_file", c.HostsFile, []string{"", spec.HostsFileNone, spec.HostsFileImage}},
		{"seccomp_profile", c.SeccompPath, []string{"", "unconfined"}},
	} {
		if !slices.Contains(p.words, p.path) && !filepath.IsAbs(p.path) {
			return fmt.Errorf("%s = %q: want an absolute path", p.key, p.path)
		}
	}
	return nil
}

// settings are those that a file has set, each with the flag that means the same.
func settings(c *config.Containers) []spec.Setting {
	var found []spec.Setting
	add := func(name, flag string, values ...string) {
		if values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" }); len(values) > 0 {
			found = append(found, spec.Setting{Name: name, Flag: flag, Values: values})
		}
	}
	add("annotations", "annotation", c.Annotations...)
	add("base_hosts_file", "hosts-file", c.HostsFile)
	add("cgroupns", "cgroupns", c.Cgroupns)
	add("default_sysctls", "sysctl", c.Sysctls...)
	add("default_ulimits", "ulimit", c.Ulimits...)
	add("devices", "device", c.Devices...)
	add("dns_options", "dns-option", c.DNSOptions...)
	add("dns_searches", "dns-search", c.DNSSearches...)
	add("dns_servers", "dns", c.DNSServers...)
	add("env", "env", c.Env...)
	add("env_host", "env-host", on(c.EnvHost))
	add("http_proxy", "http-proxy", off(c.HTTPProxy))
	add("init", "init", on(c.Init))
	add("ipcns", "ipc", c.IPCns)
	add("log_driver", "log-driver", c.LogDriver)
	add("log_size_max", "log-opt", prefixed("max-size=", number(c.LogSizeMax)))
	add("mounts", "mount", c.Mounts...)
	add("netns", "network", c.Network)
	add("no_hosts", "no-hosts", on(c.NoHosts))
	add("pidns", "pid", c.PIDns)
	add("privileged", "privileged", on(c.Privileged))
	add("read_only", "read-only", on(c.ReadOnly))
	add("seccomp_profile", "security-opt", prefixed("seccomp=", c.SeccompPath))
	add("shm_size", "shm-size", c.ShmSize)
	add("tz", "tz", c.Timezone)
	add("umask", "umask", c.Umask)
	add("userns", "userns", c.Userns)
	add("utsns", "uts", c.UTSns)
	add("volumes", "volume", c.Volumes...)
	if c.OOMScoreAdj != nil {
		add("oom_score_adj", "oom-score-adj", strconv.Itoa(*c.OOMScoreAdj))
	}
	if c.PidsLimit != nil {
		add("pids_limit", "pids-limit", strconv.FormatInt(max(*c.PidsLimit, -1), 10))
	}
	return found
}

// on is the value of a flag where a setting is true; where it is not, nothing is set.
func on(set bool) string {
	if !set {
		return ""
	}
	return "true"
}

func off(set bool) string {
	if set {
		return ""
	}
	return "false"
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func prefixed(prefix, value string) string {
	if value == "" {
		return ""
	}
	return prefix + value
}

// environment is the caller's, without what containers.conf's table engine gave this program.
func (e *Engine) environment(environ []string) []string {
	given := e.Config.Containers.EngineEnv
	return slices.DeleteFunc(environ, func(kv string) bool { return slices.Contains(given, kv) })
}
