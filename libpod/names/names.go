// Package names makes up names for containers that were given none, and checks those that were given.
package names

import (
	"math/rand/v2"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// MaxLength is the longest name in bytes: names are files, and this is what a file name may have.
const MaxLength = 255

// Random is two words such as "quiet_sphagnum", each of a…z. There are more than fifteen thousand; whoever
// claims one that is taken draws again.
func Random() string {
	return pick(strings.Fields(adjectives)) + "_" + pick(strings.Fields(nouns))
}

func pick(words []string) string { return words[rand.IntN(len(words))] }

// Validate says whether name can be that of an object of ours, such as a container or a volume: the rule
// [a-zA-Z0-9][a-zA-Z0-9_.-]* is docker's and podman's. The error is [errdefs.ErrInvalid].
func Validate(name string) error {
	switch {
	case name == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use an empty name")
	case len(name) > MaxLength:
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the name %.32q…: a name has at most %d characters", name, MaxLength)
	case !alphanumeric(name[0]) || strings.ContainsFunc(name, forbidden):
		return errdefs.Errorf(errdefs.ErrInvalid,
			"cannot use the name %q: a name starts with a letter or a digit, and goes on with letters, digits, '_', '.' and '-'", name)
	}
	return nil
}

func forbidden(r rune) bool {
	return r > 0x7f || !alphanumeric(byte(r)) && !strings.ContainsRune("_.-", r)
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
