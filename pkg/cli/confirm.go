package cli

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/term"
)

// confirm asks before something is lost, unless forced. Without a terminal there is nobody to ask.
func (a *App) confirm(force bool, what string) (bool, error) {
	if force {
		return true, nil
	}
	if !term.IsTerminal(a.In) {
		return false, errdefs.Errorf(errdefs.ErrInvalid, "cannot ask whether to go on without a terminal; use --force")
	}
	if _, err := fmt.Fprintf(a.Err, "%s Go on? [y/N] ", what); err != nil {
		return false, err
	}
	answer, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil {
		return false, nil // end of input: no
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}

func readCIDFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot read --cidfile: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
