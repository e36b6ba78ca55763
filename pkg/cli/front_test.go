//go:build moss_front

package cli

import (
	"os"
	"testing"

	"github.com/mosscontainers/moss/rootless/nsenter"
)

// The constructor becomes the full program at once for commands that this one does not have. If it were wrong about one, that
// would only be slow.
func TestConstructorKnowsTheQuickCommands(t *testing.T) {
	app := newApp(os.Stdin, os.Stdout, os.Stderr)
	quick := 0
	for _, cmd := range commands(app, nil) {
		quick++
		if !nsenter.Quick(cmd.Name()) {
			t.Errorf("the constructor does not know that %s is quick", cmd.Name())
		}
	}
	if quick == 0 {
		t.Error("there are no quick commands")
	}
	for _, name := range []string{"pull", "builder", "network", "container"} {
		if nsenter.Quick(name) {
			t.Errorf("the constructor takes %s for quick", name)
		}
	}
}
