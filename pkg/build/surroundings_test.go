package build

import (
	"testing"

	"github.com/mosscontainers/moss/pkg/spec"
)

// The same flags are the same key each time.
func TestSurroundingsOfSeveralLimits(t *testing.T) {
	c := &spec.Container{}
	c.Rlimits = map[string]spec.Rlimit{"nofile": {Soft: 1, Hard: 2}, "nproc": {Soft: 1, Hard: 2}, "core": {Soft: 1, Hard: 2}}
	first, err := surroundings(c)
	for range 100 {
		next, nextErr := surroundings(c)
		if err != nil || nextErr != nil || string(next) != string(first) {
			t.Fatalf("%s, %v, and then %s, %v", first, err, next, nextErr)
		}
	}
}
