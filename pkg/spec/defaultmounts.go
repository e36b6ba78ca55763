package spec

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/host"
)

// defaults are the mounts that every container has. Where the container shares a namespace of the host
// from inside a user namespace, the kernel does not let its file system be mounted anew
// (user_namespaces(7)); the host's own is then bound.
func (m *Mounts) defaults(s *specs.Spec, f host.Facts, in Inputs) []specs.Mount {
	foreign := func(kind specs.LinuxNamespaceType) bool { return f.UserNamespace && sharesHost(s, kind) }
	proc := specs.Mount{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}}
	if foreign(specs.PIDNamespace) {
		proc = hostMount("/proc")
	}
	devpts := []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}
	if f.GIDs > ttyGroup {
		devpts = append(devpts, fmt.Sprintf("gid=%d", ttyGroup))
	}
	all := []specs.Mount{
		proc,
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "noexec", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: devpts},
		sysMount(foreign(specs.NetworkNamespace), in.privileged),
	}
	all = append(all, m.ipc(s, f, in)...)
	if f.Cgroup.Parent != "" || f.Cgroup.Version == host.CgroupV2 {
		all = append(all, cgroupMount(in.privileged))
	}
	if m.ReadOnly && !m.NoReadOnlyTmpfs {
		for _, dir := range []string{"/run", "/tmp", "/var/tmp"} {
			all = append(all, specs.Mount{Destination: dir, Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "rw", "mode=1777", "tmpcopyup"}})
		}
	}
	return all
}

// ttyGroup is the group of terminals on every distribution: devpts is made for it.
const ttyGroup = 5

func hostMount(dir string, more ...string) specs.Mount {
	return specs.Mount{Destination: dir, Type: "bind", Source: dir, Options: append([]string{"rbind", "rprivate", "nosuid", "noexec", "nodev"}, more...)}
}

func sysMount(foreign, writable bool) specs.Mount {
	mode := "ro"
	if writable {
		mode = "rw"
	}
	if foreign && writable {
		return hostMount("/sys", mode)
	}
	if foreign {
		return hostMount("/sys", mode, "rro") // with the cgroup file systems below it
	}
	return specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", mode}}
}

func cgroupMount(writable bool) specs.Mount {
	mode := "ro"
	if writable {
		mode = "rw"
	}
	return specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", mode}}
}

// ipc are the two file systems that show what the IPC namespace holds; with --ipc none memory is not shared.
func (m *Mounts) ipc(s *specs.Spec, f host.Facts, in Inputs) []specs.Mount {
	size := m.ShmSize
	if size == 0 {
		size = defaultShm
	}
	shm := specs.Mount{
		Destination: "/dev/shm", Type: "tmpfs", Source: "shm",
		Options: []string{"nosuid", "noexec", "nodev", "mode=1777", fmt.Sprintf("size=%d", size)},
	}
	mqueue := specs.Mount{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}}
	if sharesHost(s, specs.IPCNamespace) {
		shm = hostMount("/dev/shm")
		if f.NoMQueue {
			return []specs.Mount{shm}
		}
		if f.UserNamespace {
			mqueue = hostMount("/dev/mqueue")
		}
	} else if in.noShm {
		return []specs.Mount{mqueue}
	} else if in.ShmPath != "" {
		shm = hostMount("/dev/shm")
		shm.Source = in.ShmPath
	}
	return []specs.Mount{shm, mqueue}
}
