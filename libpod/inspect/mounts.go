package inspect

import (
	"slices"
	"strings"

	"github.com/mosscontainers/moss/pkg/spec"
)

// propagations are the options of a mount that say how mounts below it spread: see mount(8).
var propagations = [...]string{"private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"}

// mounts lists binds, volumes and images; a tmpfs is in [HostConfig.Tmpfs].
func mounts(all []spec.Mount, volumePath func(string) string) []Mount {
	list := []Mount{}
	for _, m := range all {
		if m.Type == spec.MountTmpfs {
			continue
		}
		d := Mount{
			Type: string(m.Type), Source: m.Source, Destination: m.Target,
			Options: present(m.Options), RW: !m.ReadOnly, Propagation: propagation(m),
		}
		if m.Type == spec.MountVolume {
			d.Name, d.Source, d.Driver = m.Source, "", "local"
			if volumePath != nil {
				d.Source = volumePath(m.Source)
			}
		}
		list = append(list, d)
	}
	return list
}

func propagation(m spec.Mount) string {
	for _, p := range propagations {
		if slices.Contains(m.Options, p) {
			return p
		}
	}
	return "rprivate"
}

// binds writes binds and volumes as -v does.
func binds(all []spec.Mount) []string {
	list := []string{}
	for _, m := range all {
		if m.Type != spec.MountTmpfs && m.Type != spec.MountImage {
			list = append(list, m.Source+":"+m.Target+":"+options(m))
		}
	}
	return list
}

func tmpfs(all []spec.Mount) map[string]string {
	byTarget := map[string]string{}
	for _, m := range all {
		if m.Type == spec.MountTmpfs {
			byTarget[m.Target] = options(m)
		}
	}
	return byTarget
}

func options(m spec.Mount) string {
	access := "rw"
	if m.ReadOnly {
		access = "ro"
	}
	return strings.Join(append([]string{access}, m.Options...), ",")
}

// imageVolumes are the targets that the image itself asked for.
func imageVolumes(all []spec.Mount) map[string]struct{} {
	set := map[string]struct{}{}
	for _, m := range all {
		if m.Optional {
			set[m.Target] = struct{}{}
		}
	}
	return set
}
