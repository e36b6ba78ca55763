package spec

import (
	"slices"
	"strings"
)

// VolumesFrom is one --volumes-from.
type VolumesFrom struct {
	Container string `json:"container"` // as given; stored is the id
	// Mode is ro or rw; "" leaves each mount as the other container has it.
	Mode string `json:"mode,omitempty"`
}

// String is how the command line writes it.
func (v VolumesFrom) String() string {
	if v.Mode == "" {
		return v.Container
	}
	return v.Container + ":" + v.Mode
}

// parseVolumesFrom reads CONTAINER[:OPTIONS].
func parseVolumesFrom(s string) (VolumesFrom, error) {
	name, options, given := strings.Cut(s, ":")
	v := VolumesFrom{Container: name}
	if name == "" {
		return v, invalid("volumes-from", s, "say which container")
	}
	if !given {
		return v, nil
	}
	for word := range strings.SplitSeq(options, ",") {
		switch word {
		case "ro", "rw":
			if v.Mode != "" {
				return v, invalid("volumes-from", s, "%w", checkChoices([]string{v.Mode, word}))
			}
			v.Mode = word
		case "z", "Z": // labels for a system that Moss has none for
		default:
			return v, invalid("volumes-from", s, "%q is not known; the options are ro and rw", word)
		}
	}
	return v, nil
}

// Inherit adds the volumes and the directories of the host that another container has mounted, where this one has nothing yet, or only
// what its image asks for. mode is as in VolumesFrom.
func (m *Mounts) Inherit(other *Mounts, mode string) {
	var list []Mount
	for _, one := range other.List {
		if one.Type != MountBind && one.Type != MountVolume {
			continue
		}
		one.Optional, one.NoCopy = false, true
		if mode != "" {
			one.ReadOnly = mode == "ro"
			one.Options = slices.DeleteFunc(slices.Clone(one.Options), func(o string) bool { return o == recursiveReadOnly && !one.ReadOnly })
		}
		one.Overlay = one.Overlay && !one.ReadOnly
		list = append(list, one)
	}
	m.add(list)
}
