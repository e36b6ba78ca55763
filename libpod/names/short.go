package names

import "strings"

// shortLength is how many digits of an id people are shown: docker's and podman's.
const shortLength = 12

// Short is the beginning of an id, without the algorithm of a digest: what lists and messages call an object by. A
// reference may be as short.
func Short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), shortLength)]
}
