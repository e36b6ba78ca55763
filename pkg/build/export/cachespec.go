package export

import (
	"encoding/csv"
	"slices"
	"strconv"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Inline is the type of a --cache-to that puts what is remembered into the image itself.
const Inline = "inline"

// CacheSpec is one --cache-from or --cache-to.
type CacheSpec struct {
	Type        string // Local, Registry, Inline
	Ref         string // of a registry
	Dir         string // of an OCI layout
	Tag         string // in a layout
	Max         bool   // all steps, not just those whose layers the image has
	IgnoreError bool
	Output      Output // how layers are compressed, and how to talk to the registry
}

// ParseCache reads what --cache-from or --cache-to says: fields as buildx has them, or the name of a repository.
func ParseCache(flag, text string) (CacheSpec, error) {
	c := CacheSpec{Type: Registry, Tag: "latest"}
	if !strings.Contains(text, "=") {
		c.Ref = text
		return c, c.check(flag, text)
	}
	record, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return c, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --%s %q: %w", flag, text, err)
	}
	for _, field := range record {
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			return c, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --%s %q: %q is not KEY=VALUE", flag, text, field)
		}
		if err := c.set(strings.ToLower(name), value); err != nil {
			return c, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --%s %q: %w", flag, text, err)
		}
	}
	return c, c.check(flag, text)
}

func (c *CacheSpec) set(name, value string) (err error) {
	switch name {
	case "type":
		if c.Type = value; !slices.Contains([]string{Local, Registry, Inline}, value) {
			return errdefs.Errorf(errdefs.ErrUnavailable, "the types are registry, local and inline")
		}
	case "ref":
		c.Ref = value
	case "src", "dest":
		c.Dir = value
	case "tag":
		c.Tag = value
	case "mode":
		c.Max = value == "max"
		if value != "max" && value != "min" {
			return errdefs.Errorf(errdefs.ErrInvalid, "mode is min or max")
		}
	case "ignore-error":
		c.IgnoreError, err = strconv.ParseBool(value)
	case "image-manifest", "oci-mediatypes", "scope": // it is an image of OCI's types
	case "compression", "compression-level", "force-compression", "registry.insecure":
		return c.Output.set(name, value)
	default:
		return errdefs.Errorf(errdefs.ErrInvalid, "%s is not known", name)
	}
	return err
}

func (c *CacheSpec) check(flag, text string) error {
	switch {
	case c.Type == Registry && c.Ref == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --%s %q: say which image, with ref=NAME", flag, text)
	case c.Type == Local && c.Dir == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --%s %q: say where, with %s=DIRECTORY", flag, text, map[bool]string{true: "dest", false: "src"}[flag == "cache-to"])
	case c.Type == Inline && flag == "cache-from":
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --cache-from %q: name the image that has the cache in it, with type=registry,ref=NAME", text)
	}
	return nil
}
