// Moss-hello is the program of the image localhost/hello, which moss carries so that a first run needs
// no registry. It says what its container looks like from inside; `serve` makes it a small web server,
// to try published ports with. It uses no HTTP library, which would be most of its size.
package main

import (
	"fmt"
	"io"
	"os"
)

const usage = `moss-hello says what a container looks like from inside.

    hello               say it once
    hello serve [ADDR]  answer HTTP requests with it, and with the client's address; ADDR is :8080
    hello --help        this
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errOut io.Writer) int {
	var err error
	switch {
	case len(args) == 0:
		_, err = io.WriteString(out, greeting())
	case args[0] == "--help" || args[0] == "-h" || args[0] == "help":
		_, err = io.WriteString(out, usage)
	case args[0] == "serve" && len(args) <= 2:
		addr := ":8080"
		if len(args) == 2 {
			addr = args[1]
		}
		err = serve(addr, out)
	default:
		fmt.Fprintf(errOut, "hello: unknown argument %q; hello --help says what there is\n", args[0])
		return 2
	}
	if err != nil {
		fmt.Fprintln(errOut, "hello:", err)
		return 1
	}
	return 0
}
