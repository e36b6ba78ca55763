package monitor

import (
	"testing"

	"github.com/mosscontainers/moss/test/codec"
)

func TestGeneratedCodeReadsAndWritesWhatJSONDoes(t *testing.T) {
	type plain envelope
	codec.Same(t, &envelope{}, &plain{})
}
