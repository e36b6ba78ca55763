package monitor

import (
	"testing"

	"github.com/mosscontainers/moss/test/codec"
)

func TestGeneratedCodeReadsAndWritesWhatJSONDoes(t *testing.T) {
	type plainEnvelope envelope
	codec.Same(t, &envelope{}, &plainEnvelope{})
	type plainWiring Wiring
	codec.Same(t, &Wiring{}, &plainWiring{})
	type plainReply reply
	codec.Same(t, &reply{}, &plainReply{})
	type plainExit Exit
	codec.Same(t, &Exit{}, &plainExit{})
	type plainLife Life
	codec.Same(t, &Life{}, &plainLife{})
}
