package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/term"
)

// attachOptions are the flags of everything that joins our streams to a container's.
type attachOptions struct {
	keys     string
	sigProxy bool
	flags    *pflag.FlagSet // those of the command
}

func (o *attachOptions) addFlags(fs *pflag.FlagSet) {
	o.addKeys(fs, "container")
	fs.BoolVar(&o.sigProxy, "sig-proxy", true, "pass signals on to the container")
}

// addKeys declares the flag about leaving what runs.
func (o *attachOptions) addKeys(fs *pflag.FlagSet, what string) {
	o.flags = fs
	fs.StringVar(&o.keys, "detach-keys", term.DefaultDetachKeys, "keys that leave the "+what+" running: characters and ctrl-X, separated by commas")
}

// detachKeys are those of the flag, or else those that containers.conf has.
func (o *attachOptions) detachKeys(app *App) ([]byte, error) {
	if !o.flags.Changed("detach-keys") {
		cfg, err := app.Config()
		if err != nil {
			return nil, err
		}
		o.keys = cfg.Containers.DetachKeys
	}
	return term.ParseDetachKeys(o.keys)
}

// session is our side of an attached container.
type session struct {
	streams monitor.Streams
	options monitor.AttachOptions
	unread  chan error           // why the standard input could not be read to its end
	proxy   func(syscall.Signal) // nil leaves signals to us
	restore func() error
}

// open prepares our side: the terminal is raw from here on until close.
func (o *attachOptions) open(app *App, c *spec.Container, only []string, proxy func(syscall.Signal)) (*session, error) {
	s := &session{restore: func() error { return nil }, unread: make(chan error, 1)}
	for _, name := range only {
		if !slices.Contains([]string{"stdin", "stdout", "stderr"}, name) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot attach to %q: give stdin, stdout or stderr", name)
		}
	}
	wants := func(name string) bool { return len(only) == 0 || slices.Contains(only, name) }
	keys, err := o.detachKeys(app)
	if err != nil {
		return nil, err
	}
	typed := c.Terminal && term.IsTerminal(app.In)
	if wants("stdin") && c.OpenStdin {
		s.streams.In = &input{app.In, s.unread}
		if typed { // bytes of a file are never keys
			s.options.DetachKeys = keys
		}
	}
	if wants("stdout") {
		s.streams.Out = app.Out
	}
	if wants("stderr") {
		s.streams.Err = app.Err
	}
	// A raw terminal makes no signals; the container's own does.
	if o.sigProxy && (!c.Terminal || s.streams.In == nil) {
		s.proxy = proxy
	}
	if c.Terminal && !typed && s.streams.In != nil {
		app.Warn("the standard input is not a terminal: the container's has no size and no keys such as ^C; leave out -t to pass data on as it is")
	}
	if !typed {
		return s, nil
	}
	s.options.Console = app.In
	if s.streams.In != nil {
		s.restore, err = term.Raw(app.In)
	}
	return s, err
}

// run joins the streams until the container ends. Signals are the container's where they are passed on: then they do not
// end us.
func (s *session) run(ctx context.Context, app *App, conn *os.File) error {
	if s.proxy != nil {
		defer monitor.ProxySignals(s.proxy)()
		app.interrupts.yield(s.proxy)
		ctx = context.WithoutCancel(ctx)
	}
	code, detached, err := monitor.Attach(ctx, conn, s.streams, s.options)
	err = errors.Join(err, s.restore())
	if err != nil || detached {
		return err
	}
	if code != 0 {
		err = &errdefs.ExitError{Code: code}
	}
	return app.cut(err, s.unread)
}

// input is our standard input, and tells when it cannot be read.
type input struct {
	from   *os.File
	unread chan<- error
}

func (i *input) Read(b []byte) (int, error) {
	n, err := i.from.Read(b)
	if isUnread(i.from, err) {
		i.unread <- err
	}
	return n, err
}

// isUnread says that input ended with an error. A terminal may go away, and one that is not open for reading, as nohup gives it, has nothing.
func isUnread(from *os.File, err error) bool {
	var path *os.PathError
	return errors.As(err, &path) && path.Op == "read" && !errors.Is(err, syscall.EBADF) && !term.IsTerminal(from)
}

// cut adds to how a command ended that its input could not be read, which it took for the end of that.
func (a *App) cut(err error, unread <-chan error) error {
	select {
	case cut := <-unread:
		var exit *errdefs.ExitError
		if errors.As(err, &exit) {
			a.Warn(cut.Error())
			return err
		}
		return errors.Join(err, cut)
	default:
		return err
	}
}

// startAttached starts a container with our streams joined to it from its first byte on. conn and theirs are from
// monitor.Pair; start gives theirs to the container.
func (a *App) startAttached(ctx context.Context, c *spec.Container, o attachOptions, only []string, conn, theirs *os.File, start func() ([]string, error)) error {
	engine, err := a.Engine()
	if err != nil {
		return err
	}
	s, err := o.open(a, c, only, a.proxyTo(engine, c.ID))
	if err != nil {
		return errors.Join(err, conn.Close(), theirs.Close())
	}
	warnings, err := start()
	err = errors.Join(err, theirs.Close())
	if err != nil {
		return errors.Join(err, s.restore(), conn.Close())
	}
	a.Warn(warnings...)
	return s.run(ctx, a, conn)
}

// proxyTo passes signals on to a container. It may have ended already: nobody needs to know.
func (a *App) proxyTo(engine *libpod.Engine, id string) func(syscall.Signal) {
	return func(signal syscall.Signal) {
		err := engine.Kill(context.Background(), id, signal)
		if err != nil && !errors.Is(err, errdefs.ErrConflict) && !errors.Is(err, errdefs.ErrNotFound) {
			a.Warn(fmt.Sprintf("cannot pass %s on to the container: %v", signal, err))
		}
	}
}

// join joins our streams to a container that runs.
func (o *attachOptions) join(ctx context.Context, app *App, c *state.Container, only []string) error {
	engine, err := app.Engine()
	if err != nil {
		return err
	}
	conn, err := engine.Dial(c)
	if err != nil {
		return err
	}
	s, err := o.open(app, c.Spec, only, app.proxyTo(engine, c.Spec.ID))
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	return s.run(ctx, app, conn)
}

func newAttachCommand(app *App) *cobra.Command {
	var o attachOptions
	var s selection
	var noStdin bool
	cmd := &cobra.Command{
		Use: "attach [flags] CONTAINER", Short: "Join our standard streams to a running container's",
		Args:              s.firstAnd(0, ""),
		ValidArgsFunction: app.completeContainers(running),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			ref, _, err := s.first(engine, args)
			if err != nil {
				return err
			}
			c, err := engine.Lookup(ref)
			if err != nil {
				return err
			}
			only := []string(nil)
			if noStdin {
				only = []string{"stdout", "stderr"}
			}
			return o.join(cmd.Context(), app, c, only)
		},
	}
	o.addFlags(cmd.Flags())
	s.addLatest(cmd.Flags())
	cmd.Flags().BoolVar(&noStdin, "no-stdin", false, "do not join the standard input")
	return cmd
}
