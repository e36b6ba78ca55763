// Moss runs containers without a daemon and without root.
package main

import (
	"os"

	"github.com/mosscontainers/moss/pkg/cli"
	_ "github.com/mosscontainers/moss/rootless/nsenter" // joins the user's namespace before Go starts
)

func main() { os.Exit(cli.Main(os.Args)) }
