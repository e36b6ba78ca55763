package cli

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/term"
)

// confirm asks before something is lost, unless forced. The answer may come through a pipe, as scripts for Docker and Podman do it
// (yes | docker system prune); where none comes there is nobody to ask.
func (a *App) confirm(force bool, what string) (bool, error) {
	if force {
		return true, nil
	}
	if _, err := fmt.Fprintf(a.Err, "%s Go on? [y/N] ", what); err != nil {
		return false, err
	}
	answer, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil && !term.IsTerminal(a.In) && answer == "" {
		_, err := fmt.Fprintln(a.Err)
		return false, errors.Join(errdefs.Errorf(errdefs.ErrInvalid, "cannot ask whether to go on without a terminal; use --force"), err)
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
