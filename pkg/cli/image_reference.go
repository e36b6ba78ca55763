package cli

import (
	"path"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// matchReference is --filter reference=PATTERN: a shell pattern for the whole name of an image, or for
// its end behind a slash, with the tag or without it. Of an image with several names only those that match are meant, as for Docker.
func matchReference(pattern string) (func(imageRow) bool, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use the pattern %q: %w", pattern, err)
	}
	return func(r imageRow) bool {
		return r.name != "" && (matchesEnd(pattern, r.name) || matchesEnd(pattern, r.Repository))
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
