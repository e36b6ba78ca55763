//go:build !moss_front

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/progress/progressui"

	"github.com/mosscontainers/moss/pkg/build"
	mosserrors "github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/term"
)

// buildProgress shows how a build goes on.
type buildProgress struct {
	app      *App
	shown    shown
	file     *os.File // nil where it is not the standard error
	states   chan *client.SolveStatus
	done     chan error
	warnings []client.VertexWarning
	last     *lastLines // nil where steps are shown as they go on
	mode     progressui.DisplayMode
}

// maxShown is how much is kept of what was written: that of a build which did nothing is short, and others may go on for hours.
const maxShown = 1 << 20

// shown is what was written to the standard error; more than there is room for is none.
type shown struct{ text []byte }

func (s *shown) keep(p []byte) {
	if len(s.text) <= maxShown {
		s.text = append(s.text, p...)
	}
}

// whole says that nothing is missing.
func (s *shown) whole() bool { return len(s.text) <= maxShown }

// kept is a file, which may be a terminal, of which what is written to it is kept.
type kept struct {
	*os.File
	*shown
}

func (k kept) Write(p []byte) (int, error) {
	k.keep(p)
	return k.File.Write(p)
}

// newBuildProgress shows it on the standard error, or in a file where one is named.
func newBuildProgress(app *App, mode, file string) (p *buildProgress, err error) {
	p = &buildProgress{app: app, states: make(chan *client.SolveStatus, 64), done: make(chan error, 1), mode: progressui.DisplayMode(mode)}
	to := app.Err
	if file != "" {
		if to, err = os.Create(file); err != nil {
			return nil, mosserrors.Errorf(mosserrors.ErrInvalid, "cannot use --logfile: %w", err)
		}
		p.file = to
	}
	display, err := progressui.NewDisplay(kept{to, &p.shown}, progressui.DisplayMode(mode))
	if err != nil && progressui.DisplayMode(mode) == progressui.TtyMode {
		return nil, mosserrors.Errorf(mosserrors.ErrInvalid, "cannot use --progress tty: what it would be drawn on is no terminal")
	}
	if err != nil {
		return nil, mosserrors.Errorf(mosserrors.ErrInvalid, "cannot use --progress %s: it is one of auto, plain, tty, rawjson, quiet, none", mode)
	}
	if progressui.DisplayMode(mode) == progressui.QuietMode {
		p.last = &lastLines{}
	}
	go func() {
		var err error
		p.warnings, err = display.UpdateFrom(context.Background(), p.states) // it ends with the build
		p.done <- err
	}()
	return p, nil
}

// tell is called by one goroutine at a time.
func (p *buildProgress) tell(s *client.SolveStatus) {
	for _, v := range s.Vertexes {
		v.Name, v.Error = term.Printable(v.Name), term.Printable(v.Error) // the Dockerfile's and registries'
	}
	for _, v := range s.Statuses {
		v.ID, v.Name = term.Printable(v.ID), term.Printable(v.Name)
	}
	for _, w := range s.Warnings {
		w.Short = []byte(term.Printable(string(w.Short)))
	}
	if p.last != nil {
		p.last.note(s)
	}
	p.states <- s
}

// end waits until all has been shown, and tells what the Dockerfile was warned of: whoever wants nothing but the image hears that of a build that failed, and JSON has it already.
func (p *buildProgress) end(failed error) error {
	close(p.states)
	err := <-p.done
	if p.last != nil {
		p.last.print(p.app.Err)
	}
	if p.file != nil {
		err = errors.Join(err, p.file.Close())
	}
	if p.mode == progressui.RawJSONMode || p.mode == progressui.QuietMode && failed == nil {
		return err
	}
	if n := len(p.warnings); n > 0 {
		p.say(fmt.Sprintf("\n%d %s found by checks:", n, plural(n, "warning")))
	}
	for _, w := range p.warnings {
		p.say(" - " + string(w.Short))
	}
	return err
}

func (p *buildProgress) say(line string) {
	p.shown.keep([]byte(line + "\n"))
	p.app.eprintln(line)
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// buildError shows the lines of the Dockerfile that an error is about, and gives the command that failed its say in the exit code.
func (a *App) buildError(err error) error {
	if errors.Is(err, context.Canceled) { // where it was just then is no mistake in the Dockerfile
		return err
	}
	shown := map[string]bool{} // the front end may name a line twice
	for _, source := range errdefs.Sources(err) {
		var text strings.Builder
		if printErr := source.Print(&text); printErr == nil && !shown[text.String()] {
			fmt.Fprint(a.Err, term.PrintableLines(text.String()))
			shown[text.String()] = true
		}
	}
	var exit *build.ExitError
	if errors.As(err, &exit) {
		a.eprintln("moss: cannot build the image: " + err.Error())
		return &mosserrors.ExitError{Code: exit.Code}
	}
	return err
}
