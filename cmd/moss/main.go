// Moss runs containers without a daemon and without root.
package main

import (
	"os"
	"runtime/debug"

	"github.com/mosscontainers/moss/pkg/cli"
	_ "github.com/mosscontainers/moss/rootless/nsenter" // joins the user's namespace before Go starts
)

// memoryLimit is where collecting garbage begins: most commands end long before.
const memoryLimit = 64 << 20 // bytes

func main() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memoryLimit)
	os.Exit(cli.Main(os.Args))
}
