package runtime

import (
	"testing"

	"github.com/mosscontainers/moss/test/codec"
)

func TestGeneratedCodeReadsAndWritesWhatJSONDoes(t *testing.T) {
	type plain ownBundle
	codec.Same(t, &ownBundle{Bundle: &Bundle{}}, &plain{})
	type plainOutline outline
	codec.Same(t, &outline{}, &plainOutline{})
}
