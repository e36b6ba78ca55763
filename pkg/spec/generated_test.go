package spec

import (
	"testing"

	"github.com/mosscontainers/moss/test/codec"
)

func TestGeneratedCodeReadsAndWritesWhatJSONDoes(t *testing.T) {
	type plain Container
	codec.Same(t, &Container{}, &plain{})
}
