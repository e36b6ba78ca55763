package libpod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// inputs finds out what the OCI configuration needs to know besides the description. The files that are mounted one by one
// come with the network.
func (s *launch) inputs() (spec.Inputs, error) {
	in := spec.Inputs{HostEnv: s.environment(os.Environ()), Volumes: map[string]spec.VolumeSource{}, Rootfs: s.c.Image.Rootfs}
	if in.Rootfs == "" {
		in.Rootfs = filepath.Join(s.runDir, "rootfs")
	}
	var err error
	for _, m := range s.c.Mounts.List {
		if m.Type != spec.MountVolume {
			continue
		}
		if in.Volumes[m.Source], err = s.volumeSource(m.Source); err != nil {
			return in, err
		}
	}
	s.volumes = in.Volumes
	if in.Images, err = s.images(); err != nil {
		return in, err
	}
	if in.Scratch, err = s.scratch(); err != nil {
		return in, err
	}
	if err = s.join(&in); err != nil {
		return in, err
	}
	if s.hostname, err = s.ownHostname(); err != nil {
		return in, err
	}
	if len(s.c.Rlimits) > 0 && s.facts.Rootless {
		in.MostRlimits = sys.HardLimits()
	}
	s.zone, err = timezone(s.c)
	in.Hostname, in.Files = s.hostname, s.files()
	return in, err
}

// ownHostname is what the container calls itself: where it has the network of another one, and so its /etc/hosts, what that one does, so that it finds itself.
func (s *launch) ownHostname() (string, error) {
	if s.c.Hostname == "" && s.c.UTS != "host" && s.lender != "" {
		if text, err := os.ReadFile(filepath.Join(s.lender, hostnameFile)); err == nil {
			return strings.TrimSuffix(string(text), "\n"), nil
		}
	}
	return hostname(s.c)
}

// hostname is what a container calls itself: the short id, or the host's name where it shares the host's.
func hostname(c *spec.Container) (string, error) {
	switch {
	case c.Hostname != "":
		return c.Hostname, nil
	case c.UTS == "host" || c.Network.Mode == spec.NetworkHost:
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
		s.owners = append(s.owners, other)
		proc := fmt.Sprintf("/proc/%d", other.State.Init.Pid)
		in.Namespaces[n.kind] = joinable(proc, n.file)
		if n.kind == specs.NetworkNamespace {
			s.lender = s.runDirOf(other)
		}
		if n.kind == specs.IPCNamespace { // POSIX shared memory is files, which no namespace of the kernel's holds
			in.ShmPath = proc + "/root/dev/shm"
		}
	}
	return nil
}

// joinable is where the namespace of another container's process is to be found. That of one which shares the host's is no other than ours, and it takes
// the machine's root to join it.
func joinable(proc, file string) string {
	path := proc + "/ns/" + file
	its, err := os.Stat(path)
	if err != nil {
		return path // who joins it tells that it has ended
	}
	ours, err := os.Stat("/proc/self/ns/" + file)
	if err == nil && os.SameFile(its, ours) {
		return spec.HostNamespace
	}
	return path
}

// blame says that the container could not start because another one, whose namespaces it shares, has ended, if that is so: the kernel has many
// words for that.
func (s *launch) blame(err error) error {
	if errdefs.Explained(err) && !errors.Is(err, errdefs.ErrConflict) && !errors.Is(err, errdefs.ErrUnavailable) {
		return err
	}
	for _, owner := range s.owners {
		if init := owner.State.Init; !init.Alive() || ending(init) {
			return errdefs.Errorf(errdefs.ErrConflict, "cannot start container %s: container %s, whose namespaces it is to share, has just ended", s.c.Name, owner.Spec.Name)
		}
	}
	return err
}

// connect waits for the container's network and completes its resolv.conf and hosts. keeper is the pid of the process that keeps the container.
func (s *launch) connect(ctx Context, keeper int) error {
	if s.lender != "" {
		return nil
	}
	a, err := s.network.wait()
	if err == nil {
		err = s.network.forwarder.wait()
	}
	if err != nil {
		return err
	}
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
		process, err := sys.Identify(keeper)
		if err != nil {
			return err
		}
		if err := s.tell(ctx, names, process, s.record); err != nil {
			return err
		}
	}
	if err := s.linkAndBase(&names, true); err != nil {
		return err
	}
	hosts, err := names.hosts()
	if err != nil {
		return err
	}
	return s.writeFiles(map[string]string{resolvTarget: names.resolvConf(), hostsTarget: hosts})
}

// Where files are mounted.
const (
	resolvTarget   = "/etc/resolv.conf"
	hostsTarget    = "/etc/hosts"
	hostnameTarget = "/etc/hostname"
	envTarget      = "/run/.containerenv"
)

// makeFiles makes those that are the container's own, so that they can be mounted. What depends on the network is still missing.
func (s *launch) makeFiles() error {
	return s.writeFiles(map[string]string{resolvTarget: "", hostsTarget: "", hostnameTarget: s.hostname + "\n", envTarget: "", localtime: string(s.zone)})
}

// files are those that are mounted one by one, by their paths in the container.
func (s *launch) files() map[string]string {
	files := map[string]string{envTarget: filepath.Join(s.runDir, "containerenv")}
	if !s.c.NoResolver() {
		files[resolvTarget] = s.lent(resolvFile)
	}
	if !s.c.NoHosts {
		files[hostsTarget] = s.lent(hostsFile)
	}
	if !s.c.NoHostname {
		files[hostnameTarget] = filepath.Join(s.runDir, hostnameFile)
	}
	if s.asked() {
		files[notifyTarget] = filepath.Join(s.runDir, monitor.NotifySocket)
	}
	if s.zone != nil {
		files[localtime] = filepath.Join(s.runDir, "localtime")
	}
	return files
}

// lent is where a file is that the container has in common with the one whose network it shares: what that one learns, it learns. Where that
// one was made without, it is the container's own.
func (s *launch) lent(file string) string {
	if path := filepath.Join(s.lender, file); s.lender != "" && sys.Exists(path) {
		return path
	}
	return filepath.Join(s.runDir, file)
}

// writeFiles writes those that are the container's own.
func (s *launch) writeFiles(contents map[string]string) error {
	files := s.files()
	for target, content := range contents {
		path, there := files[target]
		if !there || filepath.Dir(path) != s.runDir {
			continue
		}
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o644), os.Chmod(path, 0o644)); err != nil { // whatever the umask
			return errdefs.NoSpace(fmt.Errorf("cannot write %s for container %s: %w", target, s.c.Name, err))
		}
	}
	return nil
}
