package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/cli/filter"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// selection is which containers a command is about: those named, those of --cidfile, all, or those that match.
type selection struct {
	all      bool
	latest   bool
	cidfiles []string
	filters  []string
	ignore   bool
	starts   bool // they are started: who cannot start one of several leaves all alone
}

// addFlags declares the flags; shorts are the letters that the command does not use for something else.
func (s *selection) addFlags(fs *pflag.FlagSet, shorts string) {
	short := func(letter string) string {
		if strings.Contains(shorts, letter) {
			return letter
		}
		return ""
	}
	fs.BoolVarP(&s.all, "all", short("a"), false, "all containers")
	fs.BoolVarP(&s.latest, "latest", short("l"), false, "the container that was created last")
	fs.StringArrayVar(&s.cidfiles, "cidfile", nil, "read a container's id from this file")
	fs.StringArrayVarP(&s.filters, "filter", short("f"), nil, "containers that match, KEY=VALUE")
	fs.BoolVarP(&s.ignore, "ignore", short("i"), false, "containers that do not exist are fine")
}

// refs are the containers meant; match drops those that --all is not about.
func (s *selection) refs(engine *libpod.Engine, args []string, match func(*state.Container) bool) ([]string, error) {
	for _, path := range s.cidfiles {
		id, err := readCIDFile(path)
		if err != nil && !s.ignore {
			return nil, err
		}
		if err == nil {
			args = append(args, id)
		}
	}
	if !s.all && !s.latest && len(s.filters) == 0 {
		if len(args) == 0 && len(s.cidfiles) == 0 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "which container? Give its name or id, or use --all")
		}
		return args, nil
	}
	if len(args) > 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --all, --latest or --filter together with names of containers")
	}
	if s.latest && (s.all || len(s.filters) > 0) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --latest together with --all or --filter: it is one container")
	}
	containers, err := engine.List()
	if err != nil {
		return nil, err
	}
	if s.latest {
		return s.newest(containers)
	}
	matches, err := containerFilters(engine, containers).Compile(s.filters)
	if err != nil {
		return nil, err
	}
	var refs []string
	for _, c := range containers {
		if match(c) && matches(c) {
			refs = append(refs, c.Spec.ID)
		}
	}
	return refs, nil
}

// newest is the container that was created last.
func (s *selection) newest(containers []*state.Container) ([]string, error) {
	if len(containers) > 0 {
		return []string{containers[len(containers)-1].Spec.ID}, nil
	}
	if s.ignore {
		return nil, nil
	}
	return nil, errdefs.Errorf(errdefs.ErrNotFound, "there is no container that could be the latest; moss ps -a lists them")
}

// addLatest declares the flags of a command for one container that name it instead of its first argument.
func (s *selection) addLatest(fs *pflag.FlagSet) {
	fs.BoolVarP(&s.latest, "latest", "l", false, "the container that was created last")
}

// first is the container of a command for one, and the arguments that are left.
func (s *selection) first(engine *libpod.Engine, args []string) (string, []string, error) {
	if !s.latest && len(s.cidfiles) == 0 {
		return args[0], args[1:], nil
	}
	refs, err := s.refs(engine, nil, every)
	if err != nil {
		return "", nil, err
	}
	if len(refs) != 1 {
		return "", nil, errdefs.Errorf(errdefs.ErrInvalid, "which container? There is more than one --cidfile")
	}
	return refs[0], args, nil
}

// firstAnd checks the arguments of such a command: the container, unless a flag names it, and n at least that what says.
func (s *selection) firstAnd(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if s.latest || len(s.cidfiles) > 0 {
			if n == 0 {
				return noArgs(cmd, args)
			}
			return minArgs(n, what)(cmd, args)
		}
		if n == 0 {
			return exactArgs(1, "one container")(cmd, args)
		}
		return minArgs(n+1, "a container and "+what)(cmd, args)
	}
}

// apply makes cmd do one thing to each of the containers meant and print how they were called.
func (s *selection) apply(app *App, cmd *cobra.Command, match func(*state.Container) bool, do func(context.Context, *libpod.Engine, string) error) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.ValidArgsFunction = app.completeContainers(match)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		engine, err := app.Engine()
		if err != nil {
			return err
		}
		refs, err := s.refs(engine, args, match)
		if err != nil {
			return err
		}
		if s.starts && len(refs) > 1 {
			if err := engine.Startable(refs); err != nil {
				return err
			}
		}
		return app.together(refs, someAtOnce, func(ref string) (string, error) {
			err := do(cmd.Context(), engine, ref)
			if s.ignore && errors.Is(err, errdefs.ErrNotFound) {
				return "", nil
			}
			return ref, err
		})
	}
	return cmd
}

func running(c *state.Container) bool { return c.Damaged == nil && c.State.Active() }
func idle(c *state.Container) bool    { return !running(c) }
func every(*state.Container) bool     { return true }

// stopFlags are --time and --signal. Docker says --timeout.
type stopFlags struct {
	timeout int
	signal  string
}

func (o *stopFlags) addFlags(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.IntVarP(&o.timeout, "time", "t", 0, "seconds to wait before killing it; -1 waits without end (default 10)")
	fs.IntVar(&o.timeout, "timeout", 0, "same as --time")
	_ = fs.MarkHidden("timeout") // declared on the line above
	fs.StringVarP(&o.signal, "signal", "s", "", "signal to send instead of the container's own")
}

func (o *stopFlags) options(cmd *cobra.Command) (libpod.StopOptions, error) {
	var opts libpod.StopOptions
	if cmd.Flags().Changed("time") || cmd.Flags().Changed("timeout") {
		seconds := spec.Patience(o.timeout)
		opts.Timeout = &seconds
	}
	if o.signal == "" {
		return opts, nil
	}
	var err error
	opts.Signal, err = spec.ParseSignal(o.signal)
	return opts, err
}

func newStopCommand(app *App) *cobra.Command {
	var s selection
	var o stopFlags
	cmd := &cobra.Command{Use: "stop [flags] CONTAINER...", Short: "Ask containers to end, and kill those that do not"}
	o.addFlags(cmd)
	s.addFlags(cmd.Flags(), "alfi")
	return s.apply(app, cmd, running, func(ctx context.Context, e *libpod.Engine, ref string) error {
		opts, err := o.options(cmd)
		if err != nil {
			return err
		}
		return e.Stop(ctx, ref, opts)
	})
}

func newRestartCommand(app *App) *cobra.Command {
	s := selection{starts: true}
	var o stopFlags
	var onlyRunning bool
	cmd := &cobra.Command{Use: "restart [flags] CONTAINER...", Short: "Stop containers and start them again"}
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&onlyRunning, "running", false, "all that run, or of --filter those")
	match := func(c *state.Container) bool { return !onlyRunning || running(c) }
	s.addFlags(cmd.Flags(), "alf")
	s.apply(app, cmd, match, func(ctx context.Context, e *libpod.Engine, ref string) error {
		opts, err := o.options(cmd)
		if err != nil {
			return err
		}
		warnings, err := e.Restart(ctx, ref, opts)
		app.Warn(warnings...)
		return err
	})
	restart := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if onlyRunning && len(args) > 0 {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --running together with names of containers")
		}
		s.all = s.all || onlyRunning && !s.latest && len(s.cidfiles) == 0
		return restart(cmd, args)
	}
	return cmd
}

func newKillCommand(app *App) *cobra.Command {
	var s selection
	var signal string
	cmd := &cobra.Command{Use: "kill [flags] CONTAINER...", Short: "Send a signal to containers"}
	cmd.Flags().StringVarP(&signal, "signal", "s", "KILL", "signal to send: a name or a number")
	s.addFlags(cmd.Flags(), "alf")
	return s.apply(app, cmd, running, func(ctx context.Context, e *libpod.Engine, ref string) error {
		number, err := spec.ParseSignal(signal)
		if err != nil {
			return err
		}
		return e.Kill(ctx, ref, number)
	})
}

func newRmCommand(app *App) *cobra.Command {
	var s selection
	var o stopFlags
	var remove libpod.RemoveOptions
	cmd := &cobra.Command{Use: "rm [flags] CONTAINER...", Short: "Remove containers"}
	fs := cmd.Flags()
	fs.BoolVarP(&remove.Force, "force", "f", false, "stop running ones first; those that do not exist are fine")
	fs.BoolVarP(&remove.Volumes, "volumes", "v", false, "remove their anonymous volumes too")
	fs.IntVarP(&o.timeout, "time", "t", 0, "seconds to wait before killing a running one (default 10)")
	s.addFlags(fs, "ali") // -f is --force here
	s.apply(app, cmd, every, func(ctx context.Context, e *libpod.Engine, ref string) error {
		opts, err := o.options(cmd)
		if err != nil {
			return err
		}
		this := remove
		this.Timeout = opts.Timeout
		return e.Remove(ctx, ref, this)
	})
	cmd.ValidArgsFunction = app.completeContainers(func(c *state.Container) bool { return remove.Force || idle(c) })
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s.ignore = s.ignore || remove.Force
		if err := run(cmd, args); err != nil {
			return err
		}
		engine, err := app.Engine()
		if err != nil {
			return err
		}
		return engine.Tidy() // also after an rm that was killed while it removed much
	}
	return cmd
}

func newRenameCommand(app *App) *cobra.Command {
	return &cobra.Command{
		Use: "rename CONTAINER NAME", Short: "Give a container another name",
		Args:              exactArgs(2, "a container and its new name"),
		ValidArgsFunction: app.completeContainers(every),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			return engine.Rename(cmd.Context(), args[0], args[1])
		},
	}
}

type startOptions struct {
	attachOptions
	attach, interactive bool
}

func newStartCommand(app *App) *cobra.Command {
	s := selection{starts: true}
	var o startOptions
	cmd := &cobra.Command{Use: "start [flags] CONTAINER...", Short: "Run containers that were created or have ended"}
	o.addFlags(cmd.Flags())
	s.addFlags(cmd.Flags(), "lf") // -a is --attach here, and -i --interactive
	s.apply(app, cmd, idle, func(ctx context.Context, e *libpod.Engine, ref string) error {
		warnings, err := e.StartIdle(ctx, ref)
		app.Warn(warnings...)
		return err
	})
	cmd.Flags().BoolVarP(&o.attach, "attach", "a", false, "join our standard output and error, and return the exit code")
	cmd.Flags().BoolVarP(&o.interactive, "interactive", "i", false, "join our standard input")
	detached := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !o.attach && !o.interactive {
			return detached(cmd, args)
		}
		if len(args) != 1 {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot attach to %d containers: give one", len(args))
		}
		return o.startAttached(cmd.Context(), app, args[0])
	}
	return cmd
}

func (o *startOptions) startAttached(ctx context.Context, app *App, ref string) error {
	engine, err := app.Engine()
	if err != nil {
		return err
	}
	c, err := engine.Settled(ref)
	if err != nil {
		return err
	}
	streams := []string{"stdout", "stderr"}
	if o.interactive {
		streams = append(streams, "stdin")
	}
	if c.State.Active() {
		return o.join(ctx, app, c, streams)
	}
	conn, theirs, err := monitor.Pair()
	if err != nil {
		return err
	}
	return app.startAttached(ctx, c.Spec, o.attachOptions, streams, conn, theirs, func() ([]string, error) {
		return engine.Start(ctx, c.Spec.ID, libpod.StartOptions{Attach: theirs})
	})
}

type pruneOptions struct {
	filters []string
	force   bool
}

func (o *pruneOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&o.filters, "filter", nil, "only those that match, KEY=VALUE")
	cmd.Flags().BoolVarP(&o.force, "force", "f", false, "do not ask")
}

func newContainerPruneCommand(app *App) *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use: "prune [flags]", Short: "Remove all containers that do not run", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if ok, err := app.confirm(o.force, "This removes all containers that do not run."); !ok {
				return err
			}
			return app.pruneContainers(cmd.Context(), o.filters)
		},
	}
	o.addFlags(cmd)
	return cmd
}

func (a *App) pruneContainers(ctx context.Context, filters []string) error {
	engine, err := a.Engine()
	if err != nil {
		return err
	}
	created := func(c *state.Container) time.Time { return c.Spec.Created }
	labels := func(c *state.Container) map[string]string { return c.Spec.Labels }
	set := append(filter.Set[*state.Container]{filter.Until(created)}, filter.Labels(labels)...)
	match, err := set.Compile(filters)
	if err != nil {
		return err
	}
	removed, err := engine.Prune(ctx, match)
	for _, id := range removed {
		if _, err := fmt.Fprintln(a.Out, id); err != nil {
			return err
		}
	}
	return err
}
