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
		next := ""
		for _, sub := range cmd.Commands() {
			next = sub.Name()
		}
		if !nsenter.Quick(cmd.Name(), next) {
			t.Errorf("the constructor does not know that %s %s is quick", cmd.Name(), next)
		}
	}
	if quick == 0 {
		t.Error("there are no quick commands")
	}
	for _, name := range []string{"pull", "builder", "network", "container", "image"} {
		if nsenter.Quick(name, "prune") {
			t.Errorf("the constructor takes %s for quick", name)
		}
	}
}
