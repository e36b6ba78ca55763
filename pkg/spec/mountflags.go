package spec

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/go-units"
)

// parseVolume reads one -v: [SOURCE:]TARGET[:OPTIONS]. A source with a slash at its start, or . or .., is
// a path of the host, relative to dir; any other is the name of a volume.
func parseVolume(s, dir string) (Mount, error) {
	parts := strings.Split(s, ":")
	m := Mount{Type: MountVolume}
	var options string
	switch len(parts) {
	case 1:
		m.Target, m.Anonymous = parts[0], true
	case 2:
		m.Source, m.Target = parts[0], parts[1]
	case 3:
		m.Source, m.Target, options = parts[0], parts[1], parts[2]
	default:
		return m, invalid("volume", s, "want [SOURCE:]TARGET[:OPTIONS]; a path with a colon can be given with --mount")
	}
	if len(parts) > 1 && m.Source == "" {
		return m, invalid("volume", s, "the source is missing")
	}
	if isPath(m.Source) {
		m.Type = MountBind
	}
	if err := m.setOptions(options); err != nil {
		return m, invalid("volume", s, "%w", err)
	}
	return m.complete("volume", s, dir)
}

// isPath tells a path of the host from the name of a volume.
func isPath(source string) bool {
	return strings.HasPrefix(source, "/") || source == "." || source == ".." ||
		strings.HasPrefix(source, "./") || strings.HasPrefix(source, "../")
}

// complete makes the paths absolute and clean, and checks the whole.
func (m Mount) complete(flag, s, dir string) (Mount, error) {
	if !path.IsAbs(m.Target) {
		return m, invalid(flag, s, "the target %q is not an absolute path inside the container", m.Target)
	}
	m.Target = path.Clean(m.Target)
	if m.Type == MountBind {
		if m.Source == "" {
			return m, invalid(flag, s, "the source is missing")
		}
		if !path.IsAbs(m.Source) {
			m.Source = filepath.Join(dir, m.Source)
		}
		m.Source = filepath.Clean(m.Source)
	}
	if err := m.validate(); err != nil {
		return m, invalid(flag, s, "%w", err)
	}
	return m, nil
}

// parseTmpfs reads one --tmpfs: TARGET[:OPTIONS].
func parseTmpfs(s string) (Mount, error) {
	target, options, _ := strings.Cut(s, ":")
	m := Mount{Type: MountTmpfs, Target: target}
	if err := m.setOptions(options); err != nil {
		return m, invalid("tmpfs", s, "%w", err)
	}
	return m.complete("tmpfs", s, "")
}

// setOptions reads the options of -v and --tmpfs.
func (m *Mount) setOptions(options string) error {
	if options == "" {
		return nil
	}
	words := strings.Split(options, ",")
	for _, word := range words {
		if err := m.setOption(word); err != nil {
			return err
		}
	}
	return checkChoices(words)
}

// choices are the options of -v, and the keys of --mount, of which there is one at most.
var choices = [][]string{
	{"ro", "rw", "readonly", "readwrite"},
	{"exec", "noexec"},
	{"suid", "nosuid"},
	{"dev", "nodev"},
	{"copy", "nocopy", "volume-nocopy"},
	{"z", "Z", "O"},
	{"U", "u", "chown"},
	{"bind", "rbind"},
	{"private", "rprivate", "slave", "rslave", "shared", "rshared"},
}

// checkChoices refuses options that exclude each other, and one that is there twice: nobody knows what was meant by that.
func checkChoices(words []string) error {
	for _, choice := range choices {
		chosen := ""
		for _, word := range words {
			switch {
			case !slices.Contains(choice, word):
			case chosen == word:
				return plain("%s is there twice", word)
			case chosen != "":
				return plain("%s and %s exclude each other", chosen, word)
			default:
				chosen = word
			}
		}
	}
	return nil
}

// setOption reads one word of the options of -v and --tmpfs.
func (m *Mount) setOption(word string) error {
	switch word {
	case "ro":
		m.ReadOnly = true
	case "rw":
		m.ReadOnly = false
	case "nocopy":
		m.NoCopy = true
	case "copy":
		m.NoCopy = false
	case "U":
		m.Chown = true
	case "O":
		m.Overlay = true
	case "z", "Z", "cached", "delegated", "consistent", "notmpcopyup", "rbind":
		// Labels for a system that Moss has none for, hints of Docker's for other systems, and what is so anyway.
	default:
		key, value, ok := strings.Cut(word, "=")
		if key == "size" && ok && !isPercentage(value) {
			n, err := units.RAMInBytes(value)
			if err != nil || n < 0 {
				return plain("%q is no size such as size=64m", word)
			}
			word = fmt.Sprintf("size=%d", n)
		}
		m.Options = append(m.Options, word)
	}
	return m.checkOptions()
}

// isPercentage says of a size that it is a part of the machine's memory: tmpfs(5).
func isPercentage(size string) bool {
	number, ok := strings.CutSuffix(size, "%")
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

// flagOptions are the options that any mount takes: mount(8).
var flagOptions = []string{"exec", "noexec", "suid", "nosuid", "dev", "nodev"}

// checkOptions refuses options that the type of mount does not have.
func (m Mount) checkOptions() error {
	for _, word := range m.Options {
		if slices.Contains(flagOptions, word) || m.takes(word) {
			continue
		}
		return plain("the option %q is not known for a mount of type %s", word, m.Type)
	}
	return nil
}

func (m Mount) takes(word string) bool {
	if m.Type != MountTmpfs {
		return isPropagation(word) || word == "bind" || word == recursiveReadOnly
	}
	key, value, ok := strings.Cut(word, "=")
	switch key {
	case "size", "nr_inodes", "nr_blocks", "uid", "gid":
		return ok && value != "" && strings.Trim(value, "0123456789kKmMgG%") == ""
	case "mode":
		return ok && value != "" && len(value) <= 5 && strings.Trim(value, "01234567") == ""
	case "tmpcopyup", "noatime", "relatime", "nodiratime":
		return !ok
	}
	return false
}

// recursiveReadOnly makes what is mounted below read-only too.
const recursiveReadOnly = "rro"

func isPropagation(word string) bool {
	switch strings.TrimPrefix(word, "r") {
	case "private", "slave", "shared":
		return true
	}
	return false
}
