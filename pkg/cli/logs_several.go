package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/monitor/logs"
	"github.com/mosscontainers/moss/libpod/state"
)

// several prints logs whose lines say where they are from: one after the other, or, where they are followed, as they come.
func (o *logsOptions) several(ctx context.Context, app *App, engine *libpod.Engine, containers []*state.Container, opts logs.Options) error {
	var turn sync.Mutex
	errs := make([]error, len(containers))
	var readers sync.WaitGroup
	for i, c := range containers {
		read := func() { errs[i] = o.labelled(ctx, engine, c, opts, o.begin(c, i, len(containers)), &turn, app) }
		if o.follow {
			readers.Go(read)
		} else {
			read()
		}
	}
	readers.Wait()
	return errors.Join(errs...)
}

// begin is what the lines of the container that is the i-th of n begin with: first a colour, which each line takes back at its end.
func (o *logsOptions) begin(c *state.Container, i, n int) string {
	begin := ""
	if o.color {
		begin = fmt.Sprintf("\x1b[%dm", 31+i%6) // ECMA-48: 31 to 36 are red to cyan
	}
	if o.names || n > 1 {
		begin += o.label(c)
	}
	return begin
}

func (o *logsOptions) labelled(ctx context.Context, engine *libpod.Engine, c *state.Container, opts logs.Options, begin string, turn *sync.Mutex, app *App) error {
	end := "\n"
	if o.color {
		end = "\x1b[0m\n"
	}
	out := &lineWriter{to: app.Out, turn: turn, begin: begin, end: end}
	errOut := &lineWriter{to: app.Err, turn: turn, begin: begin, end: end}
	err := readLog(ctx, engine, c, opts, logs.Sink{Stdout: out, Stderr: errOut})
	return errors.Join(err, out.finish(), errOut.finish())
}

// lineWriter writes whole lines with something at their begin, so that the lines of several writers stay apart.
type lineWriter struct {
	to         io.Writer
	turn       *sync.Mutex // of all who write
	begin, end string
	part       []byte // of a line that has not ended
}

// longest is how much of a line that does not end is kept before it is printed as if it had.
const longest = 1 << 20

func (w *lineWriter) Write(p []byte) (int, error) {
	var lines []byte
	for line := range bytes.Lines(p) {
		text, ended := bytes.CutSuffix(line, []byte{'\n'})
		w.part = append(w.part, text...)
		if !ended && len(w.part) < longest {
			break
		}
		lines = append(append(append(lines, w.begin...), w.part...), w.end...)
		w.part = w.part[:0]
	}
	if len(lines) == 0 {
		return len(p), nil
	}
	w.turn.Lock()
	defer w.turn.Unlock()
	if _, err := w.to.Write(lines); err != nil {
		return 0, err
	}
	return len(p), nil
}

// finish ends a last line that has no end.
func (w *lineWriter) finish() error {
	if len(w.part) == 0 {
		return nil
	}
	_, err := w.Write([]byte{'\n'})
	return err
}
