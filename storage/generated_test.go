package storage

import (
	"testing"

	"github.com/mosscontainers/moss/test/codec"
)

func TestGeneratedCodeReadsAndWritesWhatJSONDoes(t *testing.T) {
	type plain cached
	codec.Same(t, &cached{}, &plain{})
	type images []imageRecord
	codec.Same(t, &imageRecords{}, &images{})
	type layers []layerRecord
	codec.Same(t, &layerRecords{}, &layers{})
}
