package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/pkg/term"
)

type execOptions struct {
	libpod.ExecOptions
	attachOptions
	container   selection
	envFiles    []string
	interactive bool
	detach      bool
	inherited
}

func newExecCommand(app *App) *cobra.Command {
	var o execOptions
	cmd := &cobra.Command{
		Use: "exec [flags] CONTAINER COMMAND [ARG...]", Short: "Run a command in a running container",
		Args:              o.container.firstAnd(1, "a command"),
		ValidArgsFunction: app.completeContainers(running),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), app, args)
		},
	}
	fs := cmd.Flags()
	fs.SetInterspersed(false)
	fs.StringArrayVarP(&o.Env, "env", "e", nil, "set an environment variable, KEY=VALUE, or KEY to pass ours on")
	fs.StringArrayVar(&o.envFiles, "env-file", nil, "read environment variables from a file")
	fs.StringVarP(&o.WorkDir, "workdir", "w", "", "working directory in the container")
	fs.StringVarP(&o.User, "user", "u", "", "user to run as: [NAME|UID][:GROUP|GID]")
	fs.BoolVarP(&o.Terminal, "tty", "t", false, "give the command a terminal")
	fs.BoolVarP(&o.interactive, "interactive", "i", false, "join our standard input")
	fs.BoolVarP(&o.detach, "detach", "d", false, "run in the background")
	fs.BoolVar(&o.Privileged, "privileged", false, "give the command all capabilities")
	o.inherited.addFlags(fs)
	fs.StringArrayVar(&o.container.cidfiles, "cidfile", nil, "read the container's id from this file")
	o.container.addLatest(fs)
	o.addKeys(fs, "command")
	return cmd
}

func (o *execOptions) run(ctx context.Context, app *App, args []string) error {
	engine, err := app.Engine()
	if err != nil {
		return err
	}
	ref, command, err := o.container.first(engine, args)
	if err != nil {
		return err
	}
	o.Command = command
	if o.User != "" {
		if err := spec.CheckUser("user", o.User); err != nil {
			return err
		}
	}
	if o.Env, err = spec.Environment(o.Env, o.envFiles, os.Environ()); err != nil {
		return err
	}
	streams, err := o.streams(app)
	if err == nil {
		streams.More, err = o.files()
	}
	if err != nil {
		return errors.Join(err, streams.release())
	}
	process, err := engine.Exec(ctx, ref, o.ExecOptions, streams.Stdio)
	if err = errors.Join(err, streams.release()); err != nil {
		return err
	}
	if o.detach {
		return startDetached(ctx, process)
	}
	return o.attach(ctx, app, process, streams)
}

// startDetached starts the command and leaves its terminal, if it has one, to the monitor: when we end nobody else holds its master
// side, and the kernel would hang it up.
func startDetached(ctx context.Context, process *libpod.Execution) error {
	err := process.Start()
	if err != nil || process.Console() == nil {
		return err
	}
	console, err := sys.Pollable(process.Console())
	if err != nil {
		return err
	}
	return errors.Join(process.Leave(ctx, console), console.Close())
}

// attach runs the command and waits for it. Without a terminal signals are passed on; with one, bytes and sizes are.
func (o *execOptions) attach(ctx context.Context, app *App, process *libpod.Execution, streams *execStreams) error {
	if process.Console() == nil {
		proxy := signalTo(process.Pid())
		defer monitor.ProxySignals(proxy)()
		app.interrupts.yield(proxy)
		return streams.carry(ctx, app, process)
	}
	// A close of one that blocks would wait for the output that is being read.
	console, err := sys.Pollable(process.Console())
	if err != nil {
		return err
	}
	defer console.Close()
	process.Console().Close()
	keys, err := o.detachKeys(app)
	if err != nil {
		return err
	}
	restore := func() error { return nil }
	if term.IsTerminal(app.In) {
		defer term.Resizes(app.In, func(rows, cols uint16) {
			_ = sys.SetWinsize(console, rows, cols) // one that ends now needs no size
		})()
		if o.interactive {
			if restore, err = term.Raw(app.In); err != nil {
				return err
			}
		}
	}
	left := make(chan struct{})
	if o.interactive {
		// It ends with us: nothing can interrupt a Read of a terminal.
		go typeInto(console, term.DetachReader(app.In, keys), left)
	}
	done, unread := make(chan error, 1), make(chan error, 1)
	// It ends with the command, or with us: the monitor's is what we left.
	go func() {
		done <- waitFor(process, func() {
			_, err := io.Copy(app.Out, console) // ends with EIO once nobody has the terminal open
			var path *os.PathError
			if errors.As(err, &path) && path.Op == "write" {
				unread <- err
			}
		})
	}()
	select {
	case err = <-done:
	case err = <-unread:
	case <-ctx.Done(): // our end hangs the terminal up
		err = ctx.Err()
	case <-left:
		_ = console.SetReadDeadline(time.Unix(1, 0)) // what it writes from now on is not for us
		err = process.Leave(ctx, console)
	}
	return errors.Join(err, restore())
}

// typeInto passes input on to a terminal until it ends, or the detach keys end the session: it closes left then.
func typeInto(console *os.File, in io.Reader, left chan<- struct{}) {
	_, err := io.Copy(console, in)
	if term.IsDetach(err) {
		close(left)
		return
	}
	if char, ok := sys.TTYEOF(console); ok {
		_, _ = console.Write([]byte{char}) // one that ended needs no end of input
	}
}

func signalTo(pid int) func(syscall.Signal) {
	return func(signal syscall.Signal) {
		_ = syscall.Kill(pid, signal) // our child: its pid is not reused before we waited for it
	}
}

// waitFor starts the process, copies its output if that is ours to do, and returns its exit code as an error.
func waitFor(process runtime.Process, copyOutput func()) error {
	if err := process.Start(); err != nil {
		return err
	}
	var copying sync.WaitGroup
	if copyOutput != nil {
		copying.Go(copyOutput)
	}
	code, err := process.Wait()
	copying.Wait()
	if err == nil && code != 0 {
		err = &errdefs.ExitError{Code: code}
	}
	return err
}
