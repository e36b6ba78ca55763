package libpod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// inputs finds out what the OCI configuration needs to know besides the description. The files that are mounted one by one
// come with the network.
func (s *launch) inputs() (spec.Inputs, error) {
	in := spec.Inputs{HostEnv: s.environment(os.Environ()), Volumes: map[string]string{}, Rootfs: s.c.Image.Rootfs}
	if in.Rootfs == "" {
		in.Rootfs = filepath.Join(s.runDir, "rootfs")
	}
	for _, m := range s.c.Mounts.Mounts {
		if m.Type == spec.MountVolume {
			in.Volumes[m.Source] = filepath.Join(s.volumeDir(m.Source), volumeData)
		}
	}
	var err error
	if in.Scratch, err = s.scratch(); err != nil {
		return in, err
	}
	if err = s.join(&in); err != nil {
		return in, err
	}
	if s.hostname, err = hostname(s.c); err != nil {
		return in, err
	}
	s.zone, err = timezone(s.c)
	in.Hostname, in.Files = s.hostname, s.files()
	return in, err
}

// hostname is what a container calls itself: the short id, or the host's name where it shares the host's.
func hostname(c *spec.Container) (string, error) {
	switch {
	case c.Hostname != "":
		return c.Hostname, nil
	case c.UTS == "host" || c.Network.Network == spec.NetworkHost:
		return os.Hostname()
	}
	return names.Short(c.ID), nil
}

// join finds the namespaces of other containers that this one shares, and what is shared with them.
func (s *launch) join(in *spec.Inputs) error {
	in.Namespaces = map[specs.LinuxNamespaceType]string{}
	for _, n := range sharings(s.c) {
		if err := n.check(); err != nil {
			return err
		}
		ref, ok := strings.CutPrefix(n.mode, "container:")
		if !ok {
			continue
		}
		other, err := s.running(ref, "share the "+n.file+" namespace of")
		if err != nil {
			return err
		}
		proc := fmt.Sprintf("/proc/%d", other.State.Init.Pid)
		in.Namespaces[n.kind] = proc + "/ns/" + n.file
		if n.kind == specs.IPCNamespace { // POSIX shared memory is files, which no namespace of the kernel's holds
			in.ShmPath = proc + "/root/dev/shm"
		}
	}
	return nil
}

// connect waits for the container's network and writes its resolv.conf, hosts, hostname and .containerenv. monitor is the pid of the
// process that keeps the container.
func (s *launch) connect(ctx Context, monitor int) error {
	if ref, ok := strings.CutPrefix(s.c.Network.Network, "container:"); ok {
		return s.borrowFiles(ref)
	}
	a, err := s.network.wait()
	if err != nil {
		return err
	}
	s.netns = a.NetNS
	s.keep = append(s.keep, a.Keep...)
	s.record.Network.Endpoints = a.Endpoints
	if a.Uplink.Pid != 0 {
		if err := sys.WriteProcess(s.uplinkFile(), a.Uplink.Pid); err != nil {
			return err
		}
	}
	names := known{c: s.c, hostname: s.hostname, mode: s.network.mode, at: a.Endpoints, resolvers: a.Resolvers, host: a.Host}
	for i := range s.network.connections {
		names.networks = append(names.networks, s.network.connections[i].Network)
	}
	if names.served() {
		process, err := sys.Identify(monitor)
		if err != nil {
			return err
		}
		if err := s.tell(ctx, names, process, s.record); err != nil {
			return err
		}
	}
	if err := s.linkAndBase(&names, (*state.Record).Active); err != nil {
		return err
	}
	hosts, err := names.hosts()
	if err != nil {
		return err
	}
	return s.writeFiles(names.resolvConf(), hosts)
}

// borrowFiles shares the resolv.conf and hosts of the container whose network is shared.
func (s *launch) borrowFiles(ref string) error {
	other, err := s.running(ref, "share the network of")
	if err != nil {
		return err
	}
	dir := s.Engine.runDir(other.Spec.ID)
	resolv, resolvErr := os.ReadFile(filepath.Join(dir, resolvFile))
	hosts, hostsErr := os.ReadFile(filepath.Join(dir, hostsFile))
	err = errors.Join(resolvErr, hostsErr)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // it may have been made without them
		return errdefs.Errorf(errdefs.ErrDamaged, "cannot share the network of container %s: %w", other.Spec.Name, err)
	}
	return s.writeFiles(string(resolv), string(hosts))
}

// files are those that are mounted one by one, by their paths in the container.
func (s *launch) files() map[string]string {
	files := map[string]string{"/run/.containerenv": filepath.Join(s.runDir, "containerenv")}
	if !s.c.NoResolver() {
		files["/etc/resolv.conf"] = filepath.Join(s.runDir, resolvFile)
	}
	if !s.c.NoHosts {
		files["/etc/hosts"] = filepath.Join(s.runDir, hostsFile)
	}
	if !s.c.NoHostname {
		files["/etc/hostname"] = filepath.Join(s.runDir, hostnameFile)
	}
	if s.zone != nil {
		files[localtime] = filepath.Join(s.runDir, "localtime")
	}
	return files
}

// writeFiles writes them.
func (s *launch) writeFiles(resolvConf, hosts string) error {
	contents := map[string]string{
		"/etc/resolv.conf": resolvConf, "/etc/hosts": hosts, "/etc/hostname": s.hostname + "\n", localtime: string(s.zone),
	}
	for target, path := range s.files() {
		if err := errors.Join(os.WriteFile(path, []byte(contents[target]), 0o644), os.Chmod(path, 0o644)); err != nil { // whatever the umask
			return errdefs.NoSpace(fmt.Errorf("cannot write %s for container %s: %w", target, s.c.Name, err))
		}
	}
	return nil
}
