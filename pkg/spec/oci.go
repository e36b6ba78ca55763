package spec

import (
	"maps"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/host"
)

// HostNamespace is, in Inputs.Namespaces, the caller's: a container that shares the namespaces of one that shares the host's has that as well.
const HostNamespace = "host"

// Inputs is what an OCI configuration needs to know besides the description: where things are by now.
type Inputs struct {
	// ID names the container's cgroup.
	ID string
	// Rootfs is the directory of the root file system, or where it is going to be mounted.
	Rootfs string
	// Hostname is used where the description has none: the short ID, or the host's own name where the
	// container shares its network.
	Hostname string
	// HostEnv is the caller's environment, of which the proxy variables are taken.
	HostEnv []string
	// MostRlimits are the hard limits, by name as in Process, that nobody here may raise. What is not there is not bounded.
	MostRlimits map[string]uint64
	// Volumes are what the volumes are mounted from, by name.
	Volumes map[string]VolumeSource
	// Images are the layers of what is mounted of type image, topmost first and with an empty one at last, by path in the container.
	Images map[string][]string
	// Scratch are directories, by path in the container, with the two of an upper layer for a mount with Overlay.
	Scratch map[string]string
	// Files are mounted one by one, by path in the container: /etc/resolv.conf, /etc/hosts, /etc/hostname,
	// /run/.containerenv. A mount of the user's on the same path wins.
	Files map[string]string
	// ShmPath is the /dev/shm of the container whose IPC namespace is joined, seen from outside: below /proc/PID/root,
	// which launchers know to lie in another mount namespace. "" is one of its own.
	ShmPath string
	// Namespaces are paths of namespaces to join, for container:ID, and for a network namespace that exists; or HostNamespace.
	Namespaces map[specs.LinuxNamespaceType]string
	// Devices finds the devices at or below a path; nil is host.Devices.
	Devices func(path string) ([]host.Device, error)

	privileged bool // known to all parts
	noShm      bool
}

func (in Inputs) devices(path string) ([]host.Device, error) {
	if in.Devices == nil {
		return host.Devices(path)
	}
	return in.Devices(path)
}

// OCI is the OCI runtime configuration of the container, and what of the description this host cannot do.
// It looks at nothing but its arguments. The user and the groups are names of the image's and left to the
// launcher; so is the seccomp filter, which is compiled elsewhere.
func (c *Container) OCI(f host.Facts, in Inputs) (*specs.Spec, []string, error) {
	in.privileged, in.noShm = c.Privileged, c.IPC == "none"
	if in.ID == "" {
		in.ID = c.ID
	}
	if in.Hostname == "" {
		in.Hostname = names.Short(c.ID)
	}
	s := &specs.Spec{
		Version:     specs.Version,
		Process:     &specs.Process{},
		Root:        &specs.Root{Path: in.Rootfs},
		Annotations: maps.Clone(c.Annotations),
		Linux:       &specs.Linux{Resources: &specs.LinuxResources{}, Sysctl: map[string]string{}},
	}
	var warnings []string
	// Namespaces first: the other parts ask which there are.
	for _, apply := range []func(*specs.Spec, host.Facts, Inputs) ([]string, error){
		c.Namespaces.Apply, c.Network.Apply, c.Identity.Apply, c.Process.Apply, c.Mounts.Apply, c.Resources.Apply, c.applySecurity,
	} {
		more, err := apply(s, f, in)
		if err != nil {
			return nil, nil, err
		}
		warnings = append(warnings, more...)
	}
	return s, warnings, nil
}

func (c *Container) applySecurity(s *specs.Spec, f host.Facts, _ Inputs) ([]string, error) {
	return c.Security.apply(s, f, c.root())
}
