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

// inputs finds out what the OCI configuration needs to know besides the description, makes the network and the files
// that are mounted one by one. monitor is the pid of the container's.
func (s *launch) inputs(ctx Context, monitor int) (spec.Inputs, error) {
	in := spec.Inputs{HostEnv: os.Environ(), Volumes: map[string]string{}, Rootfs: s.c.Image.Rootfs}
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
	if in.Hostname, err = hostname(s.c); err != nil {
		return in, err
	}
	in.Files, err = s.connect(ctx, monitor, in.Hostname)
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

// connect waits for the container's network and writes its resolv.conf, hosts, hostname and .containerenv.
func (s *launch) connect(ctx Context, monitor int, hostname string) (map[string]string, error) {
	if ref, ok := strings.CutPrefix(s.c.Network.Network, "container:"); ok {
		return s.borrowFiles(ref, hostname)
	}
	a, err := s.network.wait()
	if err != nil {
		return nil, err
	}
	s.netns = a.NetNS
	s.keep = append(s.keep, a.Keep...)
	s.record.Network.Endpoints = a.Endpoints
	if a.Uplink.Pid != 0 {
		if err := sys.WriteProcess(s.uplinkFile(), a.Uplink.Pid); err != nil {
			return nil, err
		}
	}
	names := known{c: s.c, hostname: hostname, mode: s.network.mode, at: a.Endpoints, resolvers: a.Resolvers, host: a.Host}
	for i := range s.network.connections {
		names.networks = append(names.networks, s.network.connections[i].Network)
	}
	if names.served() {
		process, err := sys.Identify(monitor)
		if err != nil {
			return nil, err
		}
		if err := s.tell(ctx, names, process, s.record); err != nil {
			return nil, err
		}
	}
	if err := s.linkAndBase(&names, (*state.Record).Active); err != nil {
		return nil, err
	}
	hosts, err := names.hosts()
	if err != nil {
		return nil, err
	}
	return s.writeFiles(names.resolvConf(), hosts, hostname)
}

// borrowFiles shares the resolv.conf and hosts of the container whose network is shared.
func (s *launch) borrowFiles(ref, hostname string) (map[string]string, error) {
	other, err := s.running(ref, "share the network of")
	if err != nil {
		return nil, err
	}
	dir := s.Engine.runDir(other.Spec.ID)
	resolv, resolvErr := os.ReadFile(filepath.Join(dir, resolvFile))
	hosts, hostsErr := os.ReadFile(filepath.Join(dir, hostsFile))
	err = errors.Join(resolvErr, hostsErr)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // it may have been made without them
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot share the network of container %s: %w", other.Spec.Name, err)
	}
	return s.writeFiles(string(resolv), string(hosts), hostname)
}

// writeFiles writes the files that are mounted one by one, and returns them by their paths in the container.
func (s *launch) writeFiles(resolvConf, hosts, hostname string) (map[string]string, error) {
	files := map[string]string{}
	for _, f := range []struct{ target, name, content string }{
		{"/etc/resolv.conf", resolvFile, resolvConf},
		{"/etc/hosts", hostsFile, hosts},
		{"/etc/hostname", hostnameFile, hostname + "\n"},
		{"/run/.containerenv", "containerenv", ""},
	} {
		if s.c.NoHosts && f.name == hostsFile || s.c.NoResolver() && f.name == resolvFile || s.c.NoHostname && f.name == hostnameFile {
			continue
		}
		path := filepath.Join(s.runDir, f.name)
		if err := errors.Join(os.WriteFile(path, []byte(f.content), 0o644), os.Chmod(path, 0o644)); err != nil { // whatever the umask
			return nil, errdefs.NoSpace(fmt.Errorf("cannot write %s for container %s: %w", f.target, s.c.Name, err))
		}
		files[f.target] = path
	}
	return files, nil
}
