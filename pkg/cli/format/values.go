package format

import (
	"maps"
	"slices"
	"strings"
)

// Ellipsis shortens to at most n characters, of which the last three are dots.
func Ellipsis(n int) func(string) string {
	return func(s string) string {
		if r := []rune(s); len(r) > n {
			return string(r[:max(n-3, 0)]) + "..."
		}
		return s
	}
}

// Labels print as docker prints them, "a=1,b=2", and are still a map to a template:
// {{.Labels.a}}, {{index .Labels "a.b"}}. The column named Labels also serves {{.Label "a.b"}}.
type Labels map[string]string

func (l Labels) String() string {
	pairs := make([]string, 0, len(l))
	for _, k := range slices.Sorted(maps.Keys(l)) {
		pairs = append(pairs, k+"="+l[k])
	}
	return strings.Join(pairs, ",")
}
