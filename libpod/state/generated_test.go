package state

import (
	"testing"

	"github.com/mosscontainers/moss/test/codec"
)

func TestGeneratedCodeReadsAndWritesWhatJSONDoes(t *testing.T) {
	type plain Record
	codec.Same(t, &Record{}, &plain{})
	type plainBrief briefSpec
	codec.Same(t, &briefSpec{}, &plainBrief{})
}
