//go:build !moss_front

package cli

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// stepFlags are those of run that say something of the containers of steps.
var stepFlags = []string{
	"add-host", "cap-add", "cap-drop", "cgroup-parent", "cpu-period", "cpu-quota", "cpu-shares", "cpus", "cpuset-cpus", "cpuset-mems", "device",
	"dns", "dns-option", "dns-search", "group-add", "memory", "memory-swap", "mount", "net", "network", "no-hostname", "no-hosts", "security-opt",
	"shm-size", "ulimit", "volume",
}

// stepOptions are the flags of build about the containers of steps that run does not have, or reads otherwise.
type stepOptions struct {
	isolation        string
	pid, ipc, uts    string
	cgroupns, userns string
	resources        []string // --resource, NAME=VALUE
	stdin            bool
}

func (o *stepOptions) addFlags(fs *pflag.FlagSet, step *spec.Container) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	step.AddFlags(all)
	for _, name := range stepFlags {
		fs.AddFlag(all.Lookup(name))
	}
	const how = "private, host, or the `path` of one"
	fs.StringVar(&o.isolation, "isolation", "oci", "how far steps are apart from the host: oci, rootless, or chroot, which has the host's namespaces but that of mounts")
	fs.StringVar(&o.pid, "pid", "", "PID namespace of steps: "+how)
	fs.StringVar(&o.ipc, "ipc", "", "IPC namespace of steps: "+how)
	fs.StringVar(&o.uts, "uts", "", "UTS namespace of steps: "+how)
	fs.StringVar(&o.cgroupns, "cgroupns", "", "cgroup namespace of steps: "+how)
	fs.StringVar(&o.userns, "userns", "host", "user namespace of steps: host, which is that of the user's containers")
	fs.StringArrayVar(&o.resources, "resource", nil, "limit of steps, by the name of a flag: memory=`SIZE`, cpu-quota=…, cpuset-cpus=…")
	fs.BoolVar(&o.stdin, "stdin", false, "give the standard input to steps")
}

// complete makes a description of the containers of the flags.
func (o *stepOptions) complete(fs *pflag.FlagSet, step *spec.Container) error {
	for _, text := range o.resources {
		name, value, ok := strings.Cut(text, "=")
		if name == "memswap" {
			name = "memory-swap"
		}
		if !ok || !slices.Contains(stepFlags, name) || !strings.HasPrefix(name, "cpu") && !strings.HasPrefix(name, "memory") {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --resource %q: write memory=SIZE, memory-swap=SIZE, cpus=N, cpu-shares=N, cpu-period=N, cpu-quota=N, cpuset-cpus=LIST or cpuset-mems=LIST", text)
		}
		if err := fs.Set(name, value); err != nil {
			return err
		}
	}
	for _, m := range step.Mounts.List {
		if m.Type == spec.MountVolume {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot mount the volume %q on %s: steps have no volumes, which outlive a build; name a directory with its whole path, or use RUN --mount=type=cache", m.Source, m.Target)
		}
	}
	step.PID, step.IPC, step.UTS, step.Cgroup = namespace(o.pid), namespace(o.ipc), namespace(o.uts), namespace(o.cgroupns)
	if step.Userns = o.userns; o.userns == "private" || o.userns == "container" || o.userns == "auto" {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use --userns %s: steps are in the user namespace of their user, where all containers are; leave it out", o.userns)
	}
	if err := o.isolate(step); err != nil {
		return err
	}
	return step.Namespaces.Validate()
}

// namespace reads what Podman's build has: "container" is one of its own, and a path needs no ns: before it.
func namespace(mode string) string {
	if mode == "container" {
		return "private"
	}
	if path.IsAbs(mode) {
		return "ns:" + mode
	}
	return mode
}

// isolate gives steps the host's namespaces where that little isolation is asked for, but for what the flags say.
func (o *stepOptions) isolate(step *spec.Container) error {
	switch o.isolation {
	case "chroot":
	case "oci", "rootless", "default", "":
		return nil
	default:
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --isolation %s: it is oci, chroot or rootless", o.isolation)
	}
	for _, ns := range []*string{&step.PID, &step.IPC, &step.UTS, &step.Cgroup, &step.Network.Mode} {
		*ns = cmp.Or(*ns, spec.NetworkHost)
	}
	return nil
}
