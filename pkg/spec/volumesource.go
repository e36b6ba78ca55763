package spec

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// VolumeSource is what a volume is mounted from, by the options it was made with.
type VolumeSource struct {
	Dir     string   // of the host's, absolute; "" is the volume's own
	Memory  bool     // a tmpfs, which each container has for itself while it runs
	Options []string // of the mount, besides those of the container's
	NoCopy  bool     // it is not filled from images
	// UID and GID own the volume's own directory, as containers see it.
	UID, GID int
}

// ParseVolumeSource reads the options of the volume driver local: type, device, and o, which has those of a mount(8).
func ParseVolumeSource(options map[string]string) (VolumeSource, error) {
	for _, key := range slices.Sorted(maps.Keys(options)) {
		if !slices.Contains([]string{"type", "device", "o", "copy", "nocopy"}, key) {
			return VolumeSource{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot make a volume with the option %q: the driver local has type, device and o", key)
		}
	}
	_, noCopy := options["nocopy"]
	v := VolumeSource{NoCopy: noCopy}
	var words []string
	if o := options["o"]; o != "" {
		words = strings.Split(o, ",")
	}
	device, kind := options["device"], options["type"]
	switch kind {
	case "tmpfs":
		return v, v.inMemory(words)
	case "", "none", "bind":
		if device == "" && kind == "" {
			return v, v.own(words)
		}
		return v, v.ofHost(device, words)
	}
	return v, errdefs.Errorf(errdefs.ErrInvalid, "cannot make a volume of type %q: to mount that takes the machine's root; have it mounted there, and use type=none, o=bind and device=DIRECTORY", kind)
}

func (v *VolumeSource) inMemory(words []string) error {
	v.Memory = true
	m := Mount{Type: MountTmpfs}
	for _, word := range words {
		if err := m.setOption(word); err != nil {
			return err
		}
	}
	v.Options = m.Options
	if m.ReadOnly {
		v.Options = append(v.Options, "ro")
	}
	return nil
}

// ofHost is a volume whose files are in a directory of the host's.
func (v *VolumeSource) ofHost(device string, words []string) error {
	if !path.IsAbs(device) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot make a volume of the device %q: want an absolute path of the host, as in device=/srv/data", device)
	}
	v.Dir = path.Clean(device)
	bound := false
	m := Mount{Type: MountBind}
	for _, word := range words {
		bound = bound || word == "bind" || word == "rbind"
		if err := m.setOption(word); err != nil {
			return err
		}
	}
	if !bound {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot make a volume of %s without o=bind: to mount devices takes the machine's root", device)
	}
	v.Options = m.Options
	if m.ReadOnly {
		v.Options = append(v.Options, "ro")
	}
	return nil
}

// own is a volume with a directory of its own, which may be given to a user.
func (v *VolumeSource) own(words []string) error {
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		to := map[string]*int{"uid": &v.UID, "gid": &v.GID}[key]
		n, err := strconv.ParseUint(value, 10, 31)
		switch {
		case word == "nocopy":
			v.NoCopy = true
		case word == "copy":
		case to != nil && err == nil:
			*to = int(n)
		case to != nil:
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot give a volume to %s %q: want a number up to %d", key, value, maxID)
		default:
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot make a volume with o=%s: one with a directory of its own has uid=, gid= and nocopy; a size takes type=tmpfs", word)
		}
	}
	return nil
}
