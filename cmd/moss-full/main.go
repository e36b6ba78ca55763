// Moss-full is moss with all its commands. The program moss, which has only the quick ones, carries it
// and becomes it for the others.
package main

import (
	"os"

	"github.com/mosscontainers/moss/libpod/seccomp"
	"github.com/mosscontainers/moss/pkg/cli"
	"github.com/mosscontainers/moss/pkg/sys"
	_ "github.com/mosscontainers/moss/rootless/nsenter" // takes over the namespace that moss joined
)

// firstCollection is how much memory there is before garbage is collected: most commands end long before.
const firstCollection = 32 << 20 // bytes

func main() {
	seccomp.Compiler()
	sys.CollectLater(firstCollection)
	os.Exit(cli.Main(os.Args))
}
