package spec

import (
	"encoding/csv"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// mountGlob stands for several binds: whatever the source's pattern matches.
const mountGlob MountType = "glob"

// parseMount reads one --mount: comma-separated KEY=VALUE, quoted as CSV. Sources are relative to dir.
func parseMount(s, dir string) ([]Mount, error) {
	r := csv.NewReader(strings.NewReader(s))
	fields, err := r.Read()
	if err != nil {
		return nil, invalid("mount", s, "want type=bind|volume|tmpfs|image,target=…, quoted as CSV: %w", err)
	}
	m := Mount{Type: MountVolume, ReadOnly: slices.Contains(fields, "type=image")} // which is read-only if nothing is said of it
	var keys []string
	for _, field := range fields {
		key, value, given := strings.Cut(field, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		if err := m.setField(key, value, given); err != nil {
			return nil, invalid("mount", s, "%w", err)
		}
		keys = append(keys, key)
	}
	if err := checkChoices(keys); err != nil {
		return nil, invalid("mount", s, "%w", err)
	}
	if m.Type == mountGlob {
		return m.expand(s, dir)
	}
	if m.Target == "" {
		return nil, invalid("mount", s, "the target is missing")
	}
	if m.Type == MountTmpfs && m.Source != "" {
		return nil, invalid("mount", s, "a tmpfs has no source")
	}
	m.Anonymous = m.Type == MountVolume && m.Source == ""
	m.Overlay = m.Type == MountImage && !m.ReadOnly
	one, err := m.complete("mount", s, dir)
	return []Mount{one}, err
}

// expand is a bind of each file that the pattern in Source matches, in the directory Target, or where it is on the host.
func (m Mount) expand(s, dir string) ([]Mount, error) {
	pattern := m.Source
	if pattern != "" && !filepath.IsAbs(pattern) {
		pattern = filepath.Join(dir, pattern)
	}
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		return nil, invalid("mount", s, "no file of the host matches the source %q", m.Source)
	}
	all := make([]Mount, 0, len(found))
	for _, file := range found {
		one := m
		one.Type, one.Source, one.Target = MountBind, file, file
		if m.Target != "" {
			one.Target = path.Join(m.Target, filepath.Base(file))
		}
		one.Options = slices.Clone(m.Options)
		if one, err = one.complete("mount", s, dir); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func (m *Mount) setField(key, value string, given bool) error {
	switch key {
	case "type":
		m.Type = MountType(value)
	case "source", "src":
		m.Source = value
	case "target", "destination", "dst":
		m.Target = value
	case "bind-propagation":
		if !isPropagation(value) {
			return plain("bind-propagation is %q, want rprivate, rslave, rshared, private, slave or shared", value)
		}
		m.Options = append(m.Options, value)
	case "bind-recursive":
		return m.setRecursive(value)
	case "tmpfs-size":
		return m.setOption("size=" + value)
	case "tmpfs-mode":
		return m.setOption("mode=" + value)
	case "consistency": // of Docker on other systems
	case "relabel":
		if value != "shared" && value != "private" {
			return plain("relabel is %q, want shared or private", value)
		} // labels for a system that Moss has none for
	default:
		if ok, err := m.setVolumeField(key, value); ok {
			return err
		}
		return m.setSwitch(key, value, given)
	}
	return nil
}

// setRecursive says what becomes of mounts below the source, as Docker has it.
func (m *Mount) setRecursive(value string) error {
	switch value {
	case "enabled":
	case "writable":
		m.WritableBelow = true
	case "disabled":
		m.Options = append(m.Options, "bind")
	case "readonly":
		m.Options = append(m.Options, recursiveReadOnly)
	default:
		return plain("bind-recursive is %q, want enabled, disabled, writable or readonly", value)
	}
	return nil
}

// setVolumeField reads what a volume has that is made for the mount, and which part of it is mounted. known says whether there is such a key.
func (m *Mount) setVolumeField(key, value string) (known bool, err error) {
	name, text, _ := strings.Cut(value, "=")
	switch key {
	case "volume-subpath", "image-subpath", "subpath":
		if m.Subpath = path.Clean(value); value == "" || !filepath.IsLocal(value) {
			whole := MountVolume
			if m.Type == MountImage {
				whole = MountImage
			}
			return true, plain("%s is %q, want a path within the %s", key, value, whole)
		}
	case "volume-label":
		if name == "" {
			return true, plain("%s is %q, want NAME=VALUE", key, value)
		}
		put(&m.Labels, name, text)
	case "volume-opt":
		put(&m.VolumeOptions, name, text)
	case "volume-driver":
		if value != "local" {
			return true, plain("there is no volume driver %q, only local", value)
		}
	default:
		return false, nil
	}
	return true, nil
}

func put(to *map[string]string, key, value string) {
	if *to == nil {
		*to = map[string]string{}
	}
	(*to)[key] = value
}

// checkVolume refuses what only volumes have, of other mounts.
func (m Mount) checkVolume() error {
	if m.Subpath != "" && (m.Overlay || m.Chown) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot write over, or use the option U for, a part of a volume or an image on %s", m.Target)
	}
	if m.Type == MountVolume {
		_, err := ParseVolumeSource(m.VolumeOptions)
		return err
	}
	if m.Subpath != "" && m.Type != MountImage || len(m.Labels) > 0 || len(m.VolumeOptions) > 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use a key that begins with volume- for the %s on %s: only volumes have these", m.Type, m.Target)
	}
	if slices.Contains(m.Options, recursiveReadOnly) && !m.ReadOnly {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot make what is mounted below %s read-only without itself: add readonly", m.Target)
	}
	return nil
}

// switches are those keys of --mount that are on or off; the others of the same meaning are written as -v has them.
var switches = map[string]func(m *Mount, on bool){
	"readonly":      func(m *Mount, on bool) { m.ReadOnly = on },
	"ro":            func(m *Mount, on bool) { m.ReadOnly = on },
	"rw":            func(m *Mount, on bool) { m.ReadOnly = !on },
	"readwrite":     func(m *Mount, on bool) { m.ReadOnly = !on },
	"u":             func(m *Mount, on bool) { m.Chown = on },
	"chown":         func(m *Mount, on bool) { m.Chown = on },
	"volume-nocopy": func(m *Mount, on bool) { m.NoCopy = on },
	"bind-nonrecursive": func(m *Mount, on bool) {
		if on {
			m.Options = append(m.Options, "bind")
		}
	},
	"tmpcopyup": func(m *Mount, on bool) {
		if on {
			m.Options = append(m.Options, "tmpcopyup")
		}
	},
	"notmpcopyup": func(*Mount, bool) {}, // it is so anyway
	"exec":        func(m *Mount, on bool) { m.flag("exec", on) },
	"suid":        func(m *Mount, on bool) { m.flag("suid", on) },
	"dev":         func(m *Mount, on bool) { m.flag("dev", on) },
	"noexec":      func(m *Mount, on bool) { m.flag("exec", !on) },
	"nosuid":      func(m *Mount, on bool) { m.flag("suid", !on) },
	"nodev":       func(m *Mount, on bool) { m.flag("dev", !on) },
}

func (m *Mount) flag(word string, on bool) {
	if !on {
		word = "no" + word
	}
	m.Options = append(m.Options, word)
}

func (m *Mount) setSwitch(key, value string, given bool) error {
	set := switches[key]
	if set == nil {
		return plain("%q is not known; the keys are type, source, target, bind-propagation, bind-recursive, tmpfs-size, tmpfs-mode, volume-subpath, volume-label, volume-opt, %s",
			key, strings.Join(slices.Sorted(maps.Keys(switches)), ", "))
	}
	on := true
	if given {
		var err error
		if on, err = parseBool(value); err != nil {
			return plain("%s: %w", key, err)
		}
	}
	set(m, on)
	return nil
}
