// Moss-full is moss with all its commands. The program moss, which has only the quick ones, carries it
// and becomes it for the others.
package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/mosscontainers/moss/libpod/seccomp"
	"github.com/mosscontainers/moss/pkg/cli"
	_ "github.com/mosscontainers/moss/rootless/nsenter" // takes over the namespace that moss joined
)

func main() {
	seccomp.Compiler()
	collectLater()
	os.Exit(cli.Main(os.Args))
}

// collectLater puts off the first collection of garbage, which would take a quarter of the time of a short command, until there is
// some to collect. From then on it is done as ever.
func collectLater() {
	const first = 32 << 20 // bytes
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(first)
	runtime.AddCleanup(new([16]byte), func(struct{}) {
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
	}, struct{}{})
}
