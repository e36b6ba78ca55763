//go:build !moss_front

package cli

import (
	"encoding/json"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod/oci"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// bundleFlags are those of create and run.
type bundleFlags struct {
	oci.CreateOptions
	noPivot, noNewKeyring bool
	preserve              int
}

func (b *bundleFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&b.Bundle, "bundle", "b", ".", "directory of the bundle")
	fs.StringVar(&b.PidFile, "pid-file", "", "file that gets the process id")
	fs.StringVar(&b.ConsoleSocket, "console-socket", "", "unix socket that gets the master side of the terminal")
	fs.BoolVar(&b.noPivot, "no-pivot", false, "not supported")
	fs.BoolVar(&b.noNewKeyring, "no-new-keyring", false, "not supported")
	fs.IntVar(&b.preserve, "preserve-fds", 0, "not supported")
}

// options checks the flags and completes them.
func (b *bundleFlags) options(app *App) (oci.CreateOptions, error) {
	switch {
	case b.noPivot:
		return b.CreateOptions, errdefs.Errorf(errdefs.ErrUnavailable, "cannot use --no-pivot: a container that was not pivoted can get out of its root directory")
	case b.noNewKeyring:
		return b.CreateOptions, errdefs.Errorf(errdefs.ErrUnavailable, "cannot use --no-new-keyring: a container would have the keys of its caller")
	}
	b.Stdio = app.stdio()
	return b.CreateOptions, refusePreserved(b.preserve)
}

func refusePreserved(n int) error {
	if n == 0 {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use --preserve-fds: a container gets its three standard streams only")
}

func (a *App) stdio() runtime.Stdio {
	return runtime.Stdio{Stdin: a.In, Stdout: a.Out, Stderr: a.Err}
}

// forBundle is the runtime that makes a container, and what the flags say of that.
func (o *runtimeOptions) forBundle(b *bundleFlags) (*oci.Runtime, oci.CreateOptions, error) {
	options, err := b.options(o.app)
	if err != nil {
		return nil, options, err
	}
	r, err := o.make()
	return r, options, err
}

func (o *runtimeOptions) createCommand() *cobra.Command {
	var b bundleFlags
	cmd := &cobra.Command{
		Use: "create [flags] ID", Short: "Set a container up", Args: containerID,
		RunE: o.does(1, func(cmd *cobra.Command, args []string) error {
			r, options, err := o.forBundle(&b)
			if err != nil {
				return err
			}
			return r.Create(cmd.Context(), args[0], options)
		}),
	}
	b.add(cmd)
	return cmd
}

func (o *runtimeOptions) startCommand() *cobra.Command {
	return &cobra.Command{
		Use: "start ID", Short: "Execute the command of a container that was created", Args: containerID,
		RunE: o.does(1, func(cmd *cobra.Command, args []string) error {
			r, err := o.find()
			if err != nil {
				return err
			}
			warnings, err := r.Start(cmd.Context(), args[0])
			o.app.Warn(warnings...)
			return err
		}),
	}
}

func (o *runtimeOptions) runCommand() *cobra.Command {
	var b bundleFlags
	var detach, keep bool
	cmd := &cobra.Command{
		Use: "run [flags] ID", Short: "Create and start a container", Args: containerID,
		RunE: o.does(1, func(cmd *cobra.Command, args []string) error {
			r, options, err := o.forBundle(&b)
			if err != nil {
				return err
			}
			code, warnings, err := r.Run(cmd.Context(), args[0], options, detach, keep)
			o.app.Warn(warnings...)
			return exitWith(code, err)
		}),
	}
	b.add(cmd)
	cmd.Flags().BoolVarP(&detach, "detach", "d", false, "do not wait for the end of the container")
	cmd.Flags().BoolVar(&keep, "keep", false, "do not delete the container when it has ended")
	return cmd
}

// exitWith ends the program as a container's process has ended.
func exitWith(code int, err error) error {
	if err != nil || code == 0 {
		return err
	}
	return &errdefs.ExitError{Code: code}
}

func (o *runtimeOptions) stateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "state ID", Short: "Print the state of a container", Args: containerID,
		RunE: o.does(1, func(_ *cobra.Command, args []string) error {
			r, err := o.find()
			if err != nil {
				return err
			}
			s, err := r.State(args[0])
			if err != nil {
				return err
			}
			return o.printJSON(s)
		}),
	}
}

func (o *runtimeOptions) printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = o.app.Out.Write(append(b, '\n'))
	return err
}

func (o *runtimeOptions) killCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "kill [flags] ID [SIGNAL]", Short: "Send a signal to a container", Args: rangeArgs(1, 2, "the id of a container"),
		RunE: o.does(1, func(_ *cobra.Command, args []string) error {
			sig := syscall.SIGTERM
			if len(args) == 2 {
				var ok bool
				if sig, ok = sys.ParseSignal(args[1]); !ok {
					return errdefs.Errorf(errdefs.ErrInvalid, "cannot send the signal %q: there is none of this name", args[1])
				}
			}
			r, err := o.find()
			if err != nil {
				return err
			}
			return r.Kill(args[0], sig, all)
		}),
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "send it to all processes of the container")
	return cmd
}

func (o *runtimeOptions) deleteCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "delete [flags] ID", Short: "Remove what is left of a container", Args: containerID,
		RunE: o.does(1, func(cmd *cobra.Command, args []string) error {
			r, err := o.find()
			if err != nil {
				return err
			}
			warnings, err := r.Delete(cmd.Context(), args[0], force)
			o.app.Warn(warnings...)
			return err
		}),
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "also one that is running, or is not there")
	return cmd
}
