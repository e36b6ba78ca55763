package cli

import (
	"path"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
)

// matchReference is --filter reference=PATTERN: a shell pattern for the whole name of an image, or for
// its end behind a slash, with the tag or without it.
func matchReference(pattern string) (func(storage.Summary) bool, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use the pattern %q: %w", pattern, err)
	}
	return func(i storage.Summary) bool {
		for _, name := range i.Names {
			if matchesEnd(pattern, name) || matchesEnd(pattern, storage.Repository(name)) {
				return true
			}
		}
		return false
	}, nil
}

func matchesEnd(pattern, name string) bool {
	for {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
		_, rest, more := strings.Cut(name, "/")
		if !more {
			return false
		}
		name = rest
	}
}
