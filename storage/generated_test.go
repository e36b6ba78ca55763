package storage

import (
	"testing"

	"github.com/mosscontainers/moss/test/codec"
)

func TestGeneratedCodeReadsAndWritesWhatJSONDoes(t *testing.T) {
	type plain cached
	codec.Same(t, &cached{}, &plain{})
}
