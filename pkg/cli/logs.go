package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/monitor/logs"
	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/cli/filter"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

type logsOptions struct {
	follow, timestamps bool
	latest, names      bool
	color              bool
	tail               tailFlag
	since, until       string
}

func newLogsCommand(app *App) *cobra.Command {
	o := logsOptions{tail: -1}
	cmd := &cobra.Command{
		Use: "logs [flags] CONTAINER...", Short: "Print what containers wrote",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: app.completeContainers(every),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), app, args) },
	}
	fs := cmd.Flags()
	fs.BoolVarP(&o.follow, "follow", "f", false, "go on until the container has ended")
	fs.BoolVarP(&o.timestamps, "timestamps", "t", false, "print the time of every line")
	fs.VarP(&o.tail, "tail", "n", "only the last N lines, or all")
	fs.StringVar(&o.since, "since", "", "only what was written after this time, or in the last 5m")
	fs.StringVar(&o.until, "until", "", "only what was written before this time")
	fs.BoolVarP(&o.latest, "latest", "l", false, "of the container that was created last")
	fs.BoolVar(&o.names, "names", false, "begin each line with the container's name; of several, lines begin with their ids otherwise")
	fs.Bool("details", false, "of no meaning: no more is kept of a line than its time")
	fs.BoolVar(&o.color, "color", false, "print what each of several containers wrote in another colour")
	return cmd
}

// tailFlag is a number of lines; below 0 is all of them.
type tailFlag int

func (t *tailFlag) String() string {
	if *t < 0 {
		return "all"
	}
	return strconv.Itoa(int(*t))
}
func (t *tailFlag) Type() string { return "lines" }
func (t *tailFlag) Set(s string) error {
	if s == "all" {
		*t = -1
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "invalid --tail %q: want a number of lines, or all", s)
	}
	*t = tailFlag(n)
	return nil
}

func (o *logsOptions) run(ctx context.Context, app *App, args []string) error {
	engine, err := app.Engine()
	if err != nil {
		return err
	}
	options, err := o.options()
	if err != nil {
		return err
	}
	containers, err := o.containers(app, engine, args)
	if err != nil {
		return err
	}
	if len(containers) > 1 || o.names || o.color {
		err = o.several(ctx, app, engine, containers, options)
	} else {
		err = readLog(ctx, engine, containers[0], options, logs.Sink{Stdout: app.Out, Stderr: app.Err})
	}
	if ctx.Err() != nil {
		return nil // ^C is how --follow ends
	}
	return err
}

func (o *logsOptions) options() (logs.Options, error) {
	since, sinceErr := moment(o.since)
	until, untilErr := moment(o.until)
	opts := logs.Options{Tail: int(o.tail), Timestamps: o.timestamps, Follow: o.follow, Since: since, Until: until}
	return opts, errors.Join(sinceErr, untilErr)
}

func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return filter.ParseTime(text, time.Now())
}

// containers are those whose logs can be read, all of them before anything is printed.
func (o *logsOptions) containers(app *App, engine *libpod.Engine, args []string) ([]*state.Container, error) {
	if len(args) == 0 && !o.latest {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "which container? Give its name or id, or use --latest")
	}
	refs, err := (&selection{latest: o.latest}).refs(engine, args, every)
	if err != nil {
		return nil, err
	}
	if len(refs) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "there are no containers")
	}
	var found []*state.Container
	for _, ref := range refs {
		c, err := engine.Lookup(ref)
		if err != nil {
			return nil, err
		}
		if c.Spec.LogDriver == "none" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot read the log of container %s: it was created with --log-driver none", c.Spec.Name)
		}
		if c.State.Unattended {
			app.Warn(fmt.Sprintf("the monitor of container %s was killed: what it has written since is lost; moss restart %s gives it a new one", c.Spec.Name, c.Spec.Name))
		}
		if o.follow && c.State.Elsewhere {
			app.Warn(fmt.Sprintf("container %s runs on %s: what it writes from now on is not waited for here", c.Spec.Name, c.State.Host))
		}
		found = append(found, c)
	}
	return found, nil
}

func readLog(ctx context.Context, engine *libpod.Engine, c *state.Container, opts logs.Options, to logs.Sink) error {
	if opts.Follow {
		opts.Ended = engine.Ended(ctx, c)
	}
	if c.Spec.Terminal {
		to.Stderr = io.Discard // a terminal has one stream
	}
	return logs.Read(ctx, engine.LogPath(c), opts, to)
}

// label is what the lines of a container begin with.
func (o *logsOptions) label(c *state.Container) string {
	if o.names {
		return c.Spec.Name + " "
	}
	return names.Short(c.Spec.ID) + " "
}
