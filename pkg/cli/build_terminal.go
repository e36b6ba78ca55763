package cli

import (
	"fmt"
	"os"

	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/pkg/term"
)

// terminalOf is what the progress of a build depends on when it is drawn: the size of the terminal; "" without one.
func terminalOf(f *os.File) string {
	if !term.IsTerminal(f) {
		return ""
	}
	rows, cols, err := sys.Winsize(f)
	return fmt.Sprint(rows, " ", cols, " ", err)
}
