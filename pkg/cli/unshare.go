//go:build !moss_front

package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/rootless"
)

func newUnshareCommand(app *App) *cobra.Command {
	var networks bool
	cmd := &cobra.Command{
		Use: "unshare [COMMAND [ARG...]]", Short: "Run a command, or a shell, as root in the user's namespace",
		RunE: func(_ *cobra.Command, args []string) error {
			if !rootless.Rootless() {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot unshare as root: there is no user namespace of ours to enter")
			}
			if len(args) == 0 {
				args = []string{shell()}
			}
			if networks {
				return app.executeAmongNetworks(args)
			}
			return app.execute(args)
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().BoolVar(&networks, "rootless-netns", false, "also in the namespace of the user's networks, from where containers are reached by their addresses")
	return cmd
}

// executeAmongNetworks executes a command where the bridges are of the networks that containers are on.
func (a *App) executeAmongNetworks(args []string) error {
	engine, err := a.Engine()
	if err != nil {
		return err
	}
	netns, err := os.Open(engine.NS.NetNS())
	if err != nil {
		return fmt.Errorf("cannot enter the namespace of the networks: %w", err)
	}
	defer netns.Close()
	return sys.InNetNS(netns, func() error { return a.execute(args) })
}

func shell() string {
	if sh := os.Getenv("SHELL"); sh != "" {
		return sh
	}
	return "/bin/sh"
}

// execute runs a command with our streams. Signals of the terminal reach it by themselves, and what ends programs is passed on.
func (a *App) execute(args []string) error {
	signals := make(chan os.Signal, 1)
	var passing sync.WaitGroup
	defer passing.Wait()
	defer close(signals)
	defer signal.Stop(signals)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM) // not to ignore them: that is inherited
	if err := a.interrupts.leave(); err != nil {
		return err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.In, a.Out, a.Err
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, rootless.EnvFull+"=") })
	err := cmd.Start()
	if err == nil {
		passing.Go(func() { passOn(signals, cmd.Process) })
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return &errdefs.ExitError{Code: exitCode(exit)}
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return errdefs.Errorf(errdefs.ErrNoCommand, "cannot run %q: there is no such command in PATH", args[0])
	case errors.Is(err, os.ErrPermission):
		return errdefs.Errorf(errdefs.ErrNotExecutable, "cannot run %q: %w", args[0], err)
	}
	return err
}

// passOn passes on what the terminal does not send to all of its programs.
func passOn(signals <-chan os.Signal, to *os.Process) {
	for s := range signals {
		if s == syscall.SIGTERM {
			_ = to.Signal(s) // it may just have ended
		}
	}
}

// exitCode is the status of a command as a shell counts it.
func exitCode(exit *exec.ExitError) int {
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}
