package spec

import (
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

// Metadata is what a user attached for finding the container again.
type Metadata struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// CreateCommand is the command line that made the container.
	CreateCommand []string `json:"createCommand,omitempty"`
}

// AddFlags declares the flags of the metadata.
func (m *Metadata) AddFlags(fs *pflag.FlagSet) {
	addFlag(fs, "label", "l", "list", "", "attach a `label`: NAME[=VALUE]", func(s string) error {
		return addPair(&m.Labels, "label", s, true)
	})
	addFlag(fs, "label-file", "", "list", "", "read labels from a `file`; --label wins", m.setLabelFile)
	addFlag(fs, "annotation", "", "list", "", "attach an OCI `annotation`: NAME=VALUE", func(s string) error {
		if !strings.Contains(s, "=") {
			return invalid("annotation", s, "want NAME=VALUE")
		}
		return addPair(&m.Annotations, "annotation", s, true)
	})
}

func (m *Metadata) setLabelFile(file string) error {
	text, err := readFlagFile("label-file", file)
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := addPair(&m.Labels, "label", line, false); err != nil {
			return invalid("label-file", file, "%w", err)
		}
	}
	return nil
}

func addPair(to *map[string]string, flag, s string, replace bool) error {
	name, value, _ := strings.Cut(s, "=")
	if name == "" {
		return invalid(flag, s, "want NAME=VALUE")
	}
	if !utf8.ValidString(s) {
		return invalid(flag, s, "want UTF-8")
	}
	if *to == nil {
		*to = map[string]string{}
	}
	if _, ok := (*to)[name]; replace || !ok {
		(*to)[name] = value
	}
	return nil
}
