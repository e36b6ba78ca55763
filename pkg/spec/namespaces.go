package spec

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
)

// Namespaces says which namespaces the container shares: "" or "private" for one of its own, "host",
// "container:ID", or "ns:PATH".
type Namespaces struct {
	PID    string `json:"pid,omitempty"`
	IPC    string `json:"ipc,omitempty"` // also shareable, which is private, and none
	UTS    string `json:"uts,omitempty"`
	Cgroup string `json:"cgroup,omitempty"`
	Userns string `json:"userns,omitempty"` // "" or host: the one of the user, which all containers share
}

// AddFlags declares the flags of the namespaces.
func (n *Namespaces) AddFlags(fs *pflag.FlagSet) {
	for _, f := range []struct {
		name string
		to   *string
	}{{"pid", &n.PID}, {"ipc", &n.IPC}, {"uts", &n.UTS}, {"cgroupns", &n.Cgroup}} {
		addFlag(fs, f.name, "", "string", "", f.name+" namespace: private, host, container:ID or ns:`PATH`", func(s string) error {
			*f.to = s
			return checkNamespace(f.name, s)
		})
	}
	addFlag(fs, "userns", "", "string", "host", "user `namespace`: host, which is that of all the user's containers", func(s string) error {
		n.Userns = s
		return checkUserns(s)
	})
}

// checkUserns knows the user namespace that all containers of a user share, and tells what others' names stand for.
func checkUserns(mode string) error {
	kind, _, _ := strings.Cut(mode, ":")
	switch kind {
	case "", "host":
		return nil
	case "auto", "keep-id", "nomap", "private", "container", "ns":
		return invalid("userns", mode, "containers have no user namespace of their own: all of a user's share one, in which root is that user, so what root writes to a volume belongs to the user; leave it out, or say host")
	}
	return invalid("userns", mode, "want host")
}

func checkNamespace(flag, mode string) error {
	kind, arg, _ := strings.Cut(mode, ":")
	switch {
	case mode == "", mode == "private", mode == "host":
	case flag == "ipc" && (mode == "shareable" || mode == "none"):
	case kind == "container" && arg != "":
	case kind == "ns" && path.IsAbs(arg):
	default:
		return invalid(flag, mode, "want private, host, container:ID or ns:/absolute/path")
	}
	return nil
}

// Validate checks the namespaces.
func (n *Namespaces) Validate() error {
	for flag, mode := range map[string]string{"pid": n.PID, "ipc": n.IPC, "uts": n.UTS, "cgroupns": n.Cgroup} {
		if err := checkNamespace(flag, mode); err != nil {
			return err
		}
	}
	return checkUserns(n.Userns)
}

// namespaceMode is where a container's namespace of a kind is from.
type namespaceMode struct {
	kind specs.LinuxNamespaceType
	mode string
}

// settle takes over what the description leaves open.
func (n *Namespaces) settle(d *Namespaces) {
	n.PID, n.IPC, n.UTS = cmp.Or(n.PID, d.PID), cmp.Or(n.IPC, d.IPC), cmp.Or(n.UTS, d.UTS)
	n.Cgroup, n.Userns = cmp.Or(n.Cgroup, d.Cgroup), cmp.Or(n.Userns, d.Userns)
}

func (n *Namespaces) modes() []namespaceMode {
	return []namespaceMode{
		{specs.PIDNamespace, n.PID},
		{specs.IPCNamespace, n.IPC},
		{specs.UTSNamespace, n.UTS},
		{specs.CgroupNamespace, n.Cgroup},
	}
}

// Apply writes the namespaces. The user namespace is never among them: the launcher runs in it already.
func (n *Namespaces) Apply(s *specs.Spec, _ host.Facts, in Inputs) ([]string, error) {
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.MountNamespace})
	for _, ns := range n.modes() {
		if err := addNamespace(s, ns.kind, ns.mode, in); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// Fresh are the kinds of namespaces that the container surely gets for itself alone: more may turn out to be.
func (c *Container) Fresh() []specs.LinuxNamespaceType {
	list := []specs.LinuxNamespaceType{specs.MountNamespace}
	for _, ns := range c.modes() {
		if !shared(ns.mode) {
			list = append(list, ns.kind)
		}
	}
	if c.Network.Mode == NetworkNone {
		list = append(list, specs.NetworkNamespace)
	}
	return list
}

// shared says whether a mode is of a namespace that others have too.
func shared(mode string) bool {
	word, _, _ := strings.Cut(mode, ":")
	return word == "host" || word == "ns" || word == "container"
}

func addNamespace(s *specs.Spec, kind specs.LinuxNamespaceType, mode string, in Inputs) error {
	word, arg, _ := strings.Cut(mode, ":")
	ns := specs.LinuxNamespace{Type: kind, Path: in.Namespaces[kind]}
	switch word {
	case "host":
		return nil
	case "ns":
		ns.Path = arg
	case "container":
		if ns.Path == HostNamespace {
			return nil
		}
		if ns.Path == "" {
			return errdefs.Errorf(errdefs.ErrNotFound, "cannot join the %s namespace of container %s: it does not run", kind, arg)
		}
	}
	s.Linux.Namespaces = append(s.Linux.Namespaces, ns)
	return nil
}

// hasNamespace says whether the container has a namespace of a kind to itself, so that it may set it up.
func hasNamespace(s *specs.Spec, kind specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == kind && n.Path == ""
	})
}

// sharesHost says whether the container has no namespace of a kind but the caller's.
func sharesHost(s *specs.Spec, kind specs.LinuxNamespaceType) bool {
	return !slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
}
