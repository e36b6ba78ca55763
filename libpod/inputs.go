package libpod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// inputs finds out what the OCI configuration needs to know besides the description, makes the network and the files
// that are mounted one by one.
func (s *launch) inputs(ctx Context) (spec.Inputs, error) {
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
	if err = s.join(&in); err != nil {
		return in, err
	}
	if in.Hostname, err = hostname(s.c); err != nil {
		return in, err
	}
	in.Files, err = s.connect(in.Hostname)
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
func (s *launch) connect(hostname string) (map[string]string, error) {
	if ref, ok := strings.CutPrefix(s.c.Network.Network, "container:"); ok {
		return s.borrowFiles(ref, hostname)
	}
	a, err := s.network.wait()
	if err != nil {
		return nil, err
	}
	s.netns = a.NetNS
	s.keep = append(s.keep, a.Keep...)
	net := &s.l.State.Network
	net.Address, net.Gateway, net.Interface, net.MAC = a.Address, a.Gateway, a.Interface, a.MAC.String()
	names := network.Names{
		Name: s.c.Name, Hostname: hostname,
		Servers: s.c.DNS, Search: s.c.DNSSearch, Options: s.c.DNSOptions, AddHosts: s.c.AddHosts,
	}
	hosts, err := network.Hosts(s.network.mode, names, a.Address.Addr())
	if err != nil {
		return nil, err
	}
	return s.writeFiles(network.ResolvConf(s.network.mode, names), hosts, hostname)
}

// borrowFiles shares the resolv.conf and hosts of the container whose network is shared.
func (s *launch) borrowFiles(ref, hostname string) (map[string]string, error) {
	other, err := s.running(ref, "share the network of")
	if err != nil {
		return nil, err
	}
	dir := s.Engine.runDir(other.Spec.ID)
	resolv, resolvErr := os.ReadFile(filepath.Join(dir, "resolv.conf"))
	hosts, hostsErr := os.ReadFile(filepath.Join(dir, "hosts"))
	if err := errors.Join(resolvErr, hostsErr); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot share the network of container %s: %w", other.Spec.Name, err)
	}
	return s.writeFiles(string(resolv), string(hosts), hostname)
}

// writeFiles writes the files that are mounted one by one, and returns them by their paths in the container.
func (s *launch) writeFiles(resolvConf, hosts, hostname string) (map[string]string, error) {
	files := map[string]string{}
	for _, f := range []struct{ target, name, content string }{
		{"/etc/resolv.conf", "resolv.conf", resolvConf},
		{"/etc/hosts", "hosts", hosts},
		{"/etc/hostname", "hostname", hostname + "\n"},
		{"/run/.containerenv", "containerenv", ""},
	} {
		path := filepath.Join(s.runDir, f.name)
		if err := os.WriteFile(path, []byte(f.content), 0o644); err != nil {
			return nil, errdefs.NoSpace(fmt.Errorf("cannot write %s for container %s: %w", f.target, s.c.Name, err))
		}
		files[f.target] = path
	}
	return files, nil
}
