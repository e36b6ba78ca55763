// Moss-full is moss with all its commands. The program moss, which has only the quick ones, carries it
// and becomes it for the others.
package main

import (
	"os"

	"github.com/mosscontainers/moss/libpod/seccomp"
	"github.com/mosscontainers/moss/pkg/cli"
	_ "github.com/mosscontainers/moss/rootless/nsenter" // takes over the namespace that moss joined
)

func main() {
	seccomp.Compiler()
	os.Exit(cli.Main(os.Args))
}
