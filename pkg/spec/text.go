package spec

import (
	"unicode/utf8"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// CheckText refuses words that are no UTF-8: descriptions of containers are JSON, here as in OCI runtimes, which would have other characters in their place.
func CheckText(what string, words ...string) error {
	for _, word := range words {
		if !utf8.ValidString(word) {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot give the %s %q to a container: it is no UTF-8; a file or the standard input may have it", what, word)
		}
	}
	return nil
}
