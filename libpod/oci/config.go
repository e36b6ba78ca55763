package oci

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/moby/sys/userns"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// maxConfig bounds the size of a config.json, in bytes.
const maxConfig = 16 << 20

// load reads a bundle's configuration and changes it to what the launcher takes.
func load(bundle string) (*specs.Spec, error) {
	path := filepath.Join(bundle, "config.json")
	spec := &specs.Spec{}
	if err := readJSON(path, spec); err != nil {
		return nil, err
	}
	if spec.Linux == nil || spec.Root == nil || spec.Process == nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s: it lacks linux, root or process", path)
	}
	if !filepath.IsAbs(spec.Root.Path) {
		spec.Root.Path = filepath.Join(bundle, spec.Root.Path)
	}
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if isBind(m) && !filepath.IsAbs(m.Source) {
			m.Source = filepath.Join(bundle, m.Source)
		}
	}
	if err := dropOwnUserNamespace(spec.Linux); err != nil {
		return nil, err
	}
	if err := refuse(spec); err != nil {
		return nil, err
	}
	return spec, limit(spec.Linux)
}

func readJSON(path string, v any) error {
	st, err := os.Stat(path)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrNotFound, "cannot read the configuration: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() > maxConfig {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s: want a file of at most 16 MiB", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read the configuration: %w", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot read %s: %w", path, err)
	}
	return nil
}

func isBind(m *specs.Mount) bool {
	return m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
}

// dropOwnUserNamespace takes a user namespace that the caller is in already from the configuration, and refuses others.
func dropOwnUserNamespace(l *specs.Linux) error {
	for i, n := range l.Namespaces {
		if n.Type != specs.UserNamespace {
			continue
		}
		if !isOwn(n.Path) {
			return errdefs.Errorf(errdefs.ErrUnavailable,
				"cannot make a user namespace: containers share the one of the caller; leave it out of the configuration, or use another runtime")
		}
		l.Namespaces = slices.Delete(slices.Clone(l.Namespaces), i, i+1)
		return nil
	}
	return nil
}

// isOwn says whether path is the user namespace of this process: namespaces(7), "The /proc/pid/ns/ directory".
func isOwn(path string) bool {
	if path == "" {
		return false
	}
	var theirs, ours syscall.Stat_t
	if syscall.Stat(path, &theirs) != nil || syscall.Stat("/proc/self/ns/user", &ours) != nil {
		return false
	}
	return theirs.Dev == ours.Dev && theirs.Ino == ours.Ino
}

// refuse says what of a configuration cannot be had.
func refuse(s *specs.Spec) error {
	l, p, h := s.Linux, s.Process, s.Hooks
	r := l.Resources
	if h == nil {
		h = &specs.Hooks{}
	}
	if r == nil {
		r = &specs.LinuxResources{}
	}
	for _, c := range []struct {
		has  bool
		what string
	}{
		{len(l.UIDMappings) > 0 || len(l.GIDMappings) > 0, "id mappings (linux.uidMappings, linux.gidMappings)"},
		{l.MountLabel != "" || p.SelinuxLabel != "", "SELinux labels"},
		{p.ApparmorProfile != "", "AppArmor profiles"},
		{l.IntelRdt != nil, "linux.intelRdt"},
		{l.Personality != nil, "linux.personality"},
		{len(l.TimeOffsets) > 0, "linux.timeOffsets"},
		{len(l.NetDevices) > 0, "linux.netDevices"},
		{l.MemoryPolicy != nil, "linux.memoryPolicy"},
		{r.Network != nil, "linux.resources.network"},
		{len(r.Rdma) > 0, "linux.resources.rdma"},
		{p.Scheduler != nil || p.IOPriority != nil || p.ExecCPUAffinity != nil, "process.scheduler, ioPriority and execCPUAffinity"},
		{len(h.CreateContainer) > 0 || len(h.StartContainer) > 0, "createContainer and startContainer hooks"},
		{l.Seccomp != nil && (l.Seccomp.ListenerPath != "" || len(l.Seccomp.Flags) > 0), "linux.seccomp.flags and listenerPath"},
		{slices.ContainsFunc(s.Mounts, mapsIDs), "mounts with id mappings"},
		{s.VM != nil, "vm"},
	} {
		if c.has {
			return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use the configuration: this runtime does not support %s", c.what)
		}
	}
	return nil
}

func mapsIDs(m specs.Mount) bool {
	return len(m.UIDMappings) > 0 || len(m.GIDMappings) > 0 || slices.Contains(m.Options, "idmap") || slices.Contains(m.Options, "ridmap")
}

// limit checks what the configuration says about control groups.
func limit(l *specs.Linux) error {
	if l.Resources != nil && userns.RunningInUserNS() {
		// Nobody makes devices in a user namespace, and the root file system is mounted so that none there can be opened.
		r := *l.Resources
		r.Devices = nil
		l.Resources = &r
	}
	limited := l.Resources != nil && !reflect.DeepEqual(*l.Resources, specs.LinuxResources{})
	switch path := l.CgroupsPath; {
	case path == "" && limited && userns.RunningInUserNS():
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot limit the container: its configuration names no cgroup (linux.cgroupsPath)")
	case path != "" && filepath.Clean("/"+path) == "/":
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the cgroup %q: a container's must be its own", path)
	case strings.Count(path, ":") == 2:
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use the cgroup %q: this runtime does not speak with systemd; want a path", path)
	}
	return nil
}
