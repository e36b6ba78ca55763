package libpod

import (
	"strings"
	"testing"

	"github.com/mosscontainers/moss/libpod/names"
)

// One of 280 random ids begins with twelve digits.
func TestContainersAreNotCalledLikeNumbers(t *testing.T) {
	for range 10_000 {
		if id := newContainerID(); strings.Trim(names.Short(id), "0123456789") == "" || len(id) != 64 {
			t.Fatal(id)
		}
	}
}
