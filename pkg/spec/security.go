package spec

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
)

// Security is what the container's processes may do.
type Security struct {
	CapAdd          []string `json:"capAdd,omitempty"`  // CAP_NAME, or ALL
	CapDrop         []string `json:"capDrop,omitempty"` // CAP_NAME, or ALL
	Privileged      bool     `json:"privileged,omitempty"`
	NoNewPrivileges bool     `json:"noNewPrivileges,omitempty"`
	// Caps are what containers have without CapAdd and CapDrop; nil are the built-in ones.
	Caps     []string          `json:"caps,omitzero"`
	Seccomp  string            `json:"seccomp,omitempty"` // "" is the default profile, "unconfined", or a path
	AppArmor string            `json:"appArmor,omitempty"`
	Mask     []string          `json:"mask,omitempty"`   // paths to hide besides the default ones
	Unmask   []string          `json:"unmask,omitempty"` // patterns of default paths to show, or ALL
	Sysctls  map[string]string `json:"sysctls,omitempty"`
}

// unconfined turns a profile off, and builtin asks for that of Moss's, until settle.
const (
	unconfined = "unconfined"
	builtin    = "builtin"
)

// defaultCaps are Podman's, containers.conf(5): Docker's without AUDIT_WRITE, MKNOD and NET_RAW.
var defaultCaps = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
	"CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// maskedPaths and readonlyPaths are Podman's and Docker's: what of /proc and /sys tells about, or changes, the
// host.
var (
	maskedPaths = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/dev/block",
		"/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/selinux",
	}
	readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// AddFlags declares the flags of security.
func (c *Security) AddFlags(fs *pflag.FlagSet) {
	addFlag(fs, "cap-add", "", "list", "", "give the container a `capability`", func(s string) error { return addCaps(&c.CapAdd, "cap-add", s) })
	addFlag(fs, "cap-drop", "", "list", "", "take a `capability` from the container", func(s string) error { return addCaps(&c.CapDrop, "cap-drop", s) })
	fs.BoolVar(&c.Privileged, "privileged", false, "give the container all that its user has")
	addFlag(fs, "security-opt", "", "list", "", "`option`: no-new-privileges, seccomp=…, apparmor=…, mask=…, unmask=…", c.setOption)
	addFlag(fs, "sysctl", "", "list", "", "set a kernel parameter: `NAME=VALUE`", c.setSysctl)
}

// settle takes over what the description leaves open.
func (c *Security) settle(d *Security) {
	c.Privileged = c.Privileged || d.Privileged
	c.Caps = d.Caps
	if c.Seccomp == "" && !c.Privileged {
		c.Seccomp = d.Seccomp
	}
	if c.Seccomp == builtin {
		c.Seccomp = ""
	}
	if c.AppArmor == "" && !c.Privileged {
		c.AppArmor = d.AppArmor
	}
}

// SetCaps says which capabilities a container has without asking; the word that stands for the built-in ones may be among them.
func (c *Security) SetCaps(list []string, standsForBuiltin string) error {
	c.Caps = []string{}
	for _, name := range list {
		if name == standsForBuiltin {
			c.Caps = append(c.Caps, defaultCaps...)
			continue
		}
		if err := addCaps(&c.Caps, "cap-add", name); err != nil {
			return err
		}
	}
	slices.Sort(c.Caps)
	if c.Caps = slices.Compact(c.Caps); slices.Equal(c.Caps, defaultCaps) {
		c.Caps = nil
	}
	return nil
}

func addCaps(to *[]string, flag, list string) error {
	for one := range strings.SplitSeq(list, ",") {
		name, ok := capName(one)
		if !ok {
			return invalid(flag, list, "%q is not a capability; want a name of capabilities(7), such as NET_RAW, or ALL", one)
		}
		*to = append(*to, name)
	}
	return nil
}

// capName brings a capability's name into the form CAP_NAME.
func capName(s string) (string, bool) {
	name := strings.ToUpper(strings.TrimSpace(s))
	if name == "ALL" || name == "CAP_ALL" {
		return "ALL", true
	}
	name = "CAP_" + strings.TrimPrefix(name, "CAP_")
	_, ok := capNumber(name)
	return name, ok
}

func capNumber(name string) (capability.Cap, bool) {
	for _, c := range capability.ListKnown() {
		if "CAP_"+strings.ToUpper(c.String()) == name {
			return c, true
		}
	}
	return 0, false
}

func (c *Security) setOption(s string) error {
	i := strings.IndexAny(s, "=:") // Docker takes either
	key, value := s, ""
	if i >= 0 {
		key, value = s[:i], s[i+1:]
	}
	switch key {
	case "no-new-privileges":
		on, err := parseBool(value)
		if value != "" && err != nil {
			return invalid("security-opt", s, "%w", err)
		}
		c.NoNewPrivileges = on || value == ""
	case "seccomp":
		return c.setSeccomp(s, value)
	case "apparmor":
		c.AppArmor = value
	case "label": // of SELinux, which Moss does not set
	case "mask":
		c.Mask = append(c.Mask, strings.Split(value, ":")...)
	case "unmask":
		c.Unmask = append(c.Unmask, strings.Split(value, ":")...)
	case "systempaths": // Docker's way to say it
		if value != unconfined {
			return invalid("security-opt", s, "want systempaths=unconfined")
		}
		c.Unmask = append(c.Unmask, "ALL")
	default:
		return invalid("security-opt", s, "want no-new-privileges, seccomp=unconfined|FILE, apparmor=PROFILE, label=…, mask=PATH or unmask=PATH|ALL")
	}
	return c.checkMasks()
}

func (c *Security) setSeccomp(s, value string) error {
	switch value {
	case "":
		return invalid("security-opt", s, "want seccomp=unconfined, or seccomp=FILE with a profile")
	case builtin, "default":
		c.Seccomp = builtin
	case unconfined:
		c.Seccomp = unconfined
	default:
		file, err := filepath.Abs(value)
		if err != nil {
			return invalid("security-opt", s, "%w", err)
		}
		c.Seccomp = file
	}
	return nil
}

func (c *Security) setSysctl(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return invalid("sysctl", s, "want NAME=VALUE")
	}
	if c.Sysctls == nil {
		c.Sysctls = map[string]string{}
	}
	c.Sysctls[name] = value
	return checkSysctl(name, value)
}

// ipcSysctls and the others below are those that a namespace has of its own: docker-run(1), "--sysctl".
var ipcSysctls = []string{"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"}

// sysctlNamespace is the kind of namespace that a kernel parameter belongs to, "" where that is the whole
// machine.
func sysctlNamespace(name string) specs.LinuxNamespaceType {
	switch {
	case slices.Contains(ipcSysctls, name), strings.HasPrefix(name, "fs.mqueue."):
		return specs.IPCNamespace
	case strings.HasPrefix(name, "net."):
		return specs.NetworkNamespace
	case name == "kernel.domainname":
		return specs.UTSNamespace
	}
	return ""
}

func checkSysctl(name, value string) error {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") != "" || strings.Contains(name, "..") {
		return invalid("sysctl", name+"="+value, "want NAME=VALUE")
	}
	if sysctlNamespace(name) == "" {
		return invalid("sysctl", name+"="+value, "%s belongs to the whole machine, not to a container; net.*, fs.mqueue.* and the kernel.msg*, kernel.shm* and kernel.sem ones can be set", name)
	}
	return nil
}

func (c *Security) checkMasks() error {
	for _, p := range c.Mask {
		if !path.IsAbs(p) {
			return invalid("security-opt", "mask="+p, "want absolute paths, separated by colons")
		}
	}
	for _, p := range c.Unmask {
		if _, err := path.Match(p, ""); err != nil || p != "ALL" && !path.IsAbs(p) {
			return invalid("security-opt", "unmask="+p, "want ALL, or absolute paths, separated by colons")
		}
	}
	return nil
}

// Validate checks the security.
func (c *Security) Validate() error {
	for flag, list := range map[string][]string{"cap-add": c.CapAdd, "cap-drop": c.CapDrop} {
		for _, s := range list {
			if name, ok := capName(s); !ok || name != s {
				return invalid(flag, s, "not a capability; want a name such as CAP_NET_RAW, or ALL")
			}
		}
	}
	if slices.Contains(c.CapAdd, "ALL") && slices.Contains(c.CapDrop, "ALL") {
		return invalid("cap-add", "ALL", "all capabilities cannot be both given and taken")
	}
	for name, value := range c.Sysctls {
		if err := checkSysctl(name, value); err != nil {
			return err
		}
	}
	if c.Seccomp != "" && c.Seccomp != builtin && c.Seccomp != unconfined && !path.IsAbs(c.Seccomp) {
		return invalid("security-opt", "seccomp="+c.Seccomp, "want the absolute path of a profile")
	}
	return c.checkMasks()
}

// SeccompProfile is the seccomp profile to use, "" for the default one, and whether there is any.
func (c *Security) SeccompProfile() (profile string, confined bool) {
	if c.Seccomp == unconfined || c.Privileged && c.Seccomp == "" {
		return "", false
	}
	return c.Seccomp, true
}

// apply writes the security. root says that the process is uid 0.
func (c *Security) apply(s *specs.Spec, f host.Facts, root bool) ([]string, error) {
	s.Process.NoNewPrivileges = c.NoNewPrivileges
	bounding, err := c.Capabilities(f)
	if err != nil {
		return nil, err
	}
	caps := &specs.LinuxCapabilities{Bounding: bounding, Effective: bounding, Permitted: bounding}
	// execve(2) takes all from who is not root, unless it is inheritable and ambient: what was asked for by name.
	if !root && !c.Privileged {
		for _, name := range bounding {
			if slices.Contains(c.CapAdd, name) {
				caps.Ambient = append(caps.Ambient, name)
			}
		}
		caps.Inheritable = caps.Ambient
	}
	s.Process.Capabilities = caps
	if !c.Privileged {
		c.applyMasks(s)
	}
	return c.applyAppArmor(s, f), c.applySysctls(s)
}

// Capabilities are those that the container's processes can have, sorted.
func (c *Security) Capabilities(f host.Facts) ([]string, error) {
	have := map[string]bool{}
	for _, known := range capability.ListKnown() {
		if f.Capabilities&(1<<known) != 0 {
			have["CAP_"+strings.ToUpper(known.String())] = true
		}
	}
	set := map[string]bool{}
	if c.Privileged || slices.Contains(c.CapAdd, "ALL") {
		set = maps.Clone(have)
	} else if !slices.Contains(c.CapDrop, "ALL") {
		for _, name := range c.usual() {
			set[name] = have[name]
		}
	}
	for _, name := range c.CapDrop {
		delete(set, name)
	}
	for _, name := range c.CapAdd {
		if name != "ALL" && !have[name] {
			return nil, errdefs.Errorf(errdefs.ErrDenied, "cannot use --cap-add %s: this kernel does not have that capability, or this process lost it", name)
		}
		if name != "ALL" && !slices.Contains(c.CapDrop, name) {
			set[name] = true
		}
	}
	maps.DeleteFunc(set, func(_ string, on bool) bool { return !on })
	return slices.Sorted(maps.Keys(set)), nil
}

func (c *Security) usual() []string {
	if c.Caps == nil {
		return defaultCaps
	}
	return c.Caps
}

func (c *Security) applyMasks(s *specs.Spec) {
	shown := func(p string) bool {
		return slices.ContainsFunc(c.Unmask, func(pattern string) bool {
			match, err := path.Match(pattern, p)
			return pattern == "ALL" || err == nil && match
		})
	}
	s.Linux.MaskedPaths = append(slices.DeleteFunc(slices.Clone(maskedPaths), shown), c.Mask...)
	s.Linux.ReadonlyPaths = slices.DeleteFunc(slices.Clone(readonlyPaths), shown)
}

func (c *Security) applyAppArmor(s *specs.Spec, f host.Facts) []string {
	if c.AppArmor == "" || c.AppArmor == unconfined {
		return nil
	}
	if !f.AppArmor {
		return []string{"cannot apply --security-opt apparmor=" + c.AppArmor + ", so the container runs without: AppArmor is not enabled on this host"}
	}
	s.Process.ApparmorProfile = c.AppArmor
	return nil
}

func (c *Security) applySysctls(s *specs.Spec) error {
	for _, name := range slices.Sorted(maps.Keys(c.Sysctls)) {
		if kind := sysctlNamespace(name); sharesHost(s, kind) {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot set --sysctl %s: the container shares the host's %s namespace", name, kind)
		}
		s.Linux.Sysctl[name] = c.Sysctls[name]
	}
	return nil
}
