package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod/monitor/logs"
	"github.com/mosscontainers/moss/pkg/cli/filter"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

type logsOptions struct {
	follow, timestamps bool
	tail               int
	since, until       string
}

func newLogsCommand(app *App) *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use: "logs [flags] CONTAINER", Short: "Print what a container wrote",
		Args:              exactArgs(1, "one container"),
		ValidArgsFunction: app.completeContainers(every),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, app, args[0]) },
	}
	fs := cmd.Flags()
	fs.BoolVarP(&o.follow, "follow", "f", false, "go on until the container has ended")
	fs.BoolVarP(&o.timestamps, "timestamps", "t", false, "print the time of every line")
	fs.IntVarP(&o.tail, "tail", "n", -1, "only the last N lines")
	fs.StringVar(&o.since, "since", "", "only what was written after this time, or in the last 5m")
	fs.StringVar(&o.until, "until", "", "only what was written before this time")
	return cmd
}

func (o *logsOptions) run(cmd *cobra.Command, app *App, ref string) error {
	engine, err := app.Engine()
	if err != nil {
		return err
	}
	c, err := engine.Lookup(ref)
	if err != nil {
		return err
	}
	if c.Spec.LogDriver == "none" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot read the log of container %s: it was created with --log-driver none", c.Spec.Name)
	}
	if c.State.Unattended {
		app.Warn(fmt.Sprintf("the monitor of container %s was killed: what it has written since is lost; moss restart %s gives it a new one", c.Spec.Name, c.Spec.Name))
	}
	opts := logs.Options{Tail: o.tail, Timestamps: o.timestamps, Follow: o.follow}
	since, sinceErr := moment(o.since)
	until, untilErr := moment(o.until)
	if err := errors.Join(sinceErr, untilErr); err != nil {
		return err
	}
	opts.Since, opts.Until = since, until
	if o.follow {
		opts.Ended = engine.Ended(cmd.Context(), c)
	}
	sink := logs.Sink{Stdout: app.Out, Stderr: app.Err}
	if c.Spec.Terminal {
		sink.Stderr = io.Discard // a terminal has one stream
	}
	err = logs.Read(cmd.Context(), engine.LogPath(c), opts, sink)
	if cmd.Context().Err() != nil {
		return nil // ^C is how --follow ends
	}
	return err
}

func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return filter.ParseTime(text, time.Now())
}
