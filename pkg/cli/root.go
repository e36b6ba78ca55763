// Package cli is the command line: one file per command, whose options own its flags.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/rootless"
	"github.com/mosscontainers/moss/rootless/nsenter"
)

// Version is set by the Makefile.
var Version = "0.1.0-dev"

// Main runs the command line args (args[0] is the program) and returns the exit code.
func Main(args []string) int {
	keepOwnFiles()
	if begin() {
		return 0
	}
	app := newApp(os.Stdin, os.Stdout, os.Stderr)
	if err := rootless.Prepare(); err != nil {
		return app.fail(err, errdefs.Other)
	}
	args = asRuntime(args)
	ctx, interrupts := untilSignal()
	app.interrupts = interrupts

	words, err := app.takeForeign(args[1:])
	if err != nil {
		return app.fail(err, errdefs.Other)
	}
	root := NewRoot(app, words)
	root.SetArgs(words)
	cmd, err := app.perform(ctx, root, words)
	if code, ok := exitInterrupted(ctx, err); ok {
		return code
	}
	return app.fail(err, kindOf(cmd))
}

// perform runs the command that args name, in the full program where that is who has it.
func (a *App) perform(ctx context.Context, root *cobra.Command, args []string) (*cobra.Command, error) {
	if !knows(root, args) {
		return nil, a.handOver()
	}
	cmd, err := root.ExecuteContextC(ctx)
	if errors.Is(err, libpod.ErrUnpinned) { // all that was begun is undone
		err = a.handOver()
	}
	return cmd, err
}

// keepOwnFiles leaves us the right to read and write what we make, which the caller's umask may take away: locks and records could not be opened again.
func keepOwnFiles() {
	const owner = 0o700
	mask := syscall.Umask(owner)
	syscall.Umask(mask &^ owner)
}

// runtimeName is a name for this program under which it is `moss runtime`: callers of OCI runtimes know a program and no words
// before its commands.
const runtimeName = "moss-runtime"

// asRuntime is what a command line means that may begin with runtimeName.
func asRuntime(args []string) []string {
	if filepath.Base(args[0]) != runtimeName {
		return args
	}
	return append([]string{args[0], "runtime"}, args[1:]...)
}

// kindOf tells the commands that have exit codes of their own.
func kindOf(cmd *cobra.Command) errdefs.Command {
	if cmd == nil || cmd.HasParent() && cmd.Parent().Name() == "runtime" { // which ends as runc does
		return errdefs.Other
	}
	switch cmd.Name() {
	case "rm", "rmi":
		return errdefs.Removal
	case "exec":
		return errdefs.Exec
	case "start":
		return errdefs.Start
	}
	return errdefs.Other
}

// fail prints an error, for people, and returns the exit code.
func (a *App) fail(err error, of errdefs.Command) int {
	if a.readerGone(err) {
		return exitPipe
	}
	var exit *errdefs.ExitError
	if err != nil && !errors.As(err, &exit) {
		for line := range strings.SplitSeq(advise(err).Error(), "\n") {
			a.eprintln("moss: " + line)
		}
	}
	return errdefs.ExitCode(err, of)
}

// advise says what to do about limits that any command may meet.
func advise(err error) error {
	var path *os.PathError
	switch {
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("%w; ulimit -n raises the limit", err)
	case errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w; ulimit -f raises the limit", err)
	case errors.Is(err, syscall.EAGAIN) && errors.As(err, &path) && path.Op == "fork/exec":
		return fmt.Errorf("%w; the limit of processes is reached: end some, or raise it with ulimit -u", err)
	}
	return errdefs.NoSpace(err)
}

// exitPipe is how a shell counts a program that nobody wanted to read any more.
const exitPipe = 128 + int(syscall.SIGPIPE)

// readerGone says that nobody reads our output any more, as with | head: no mistake of anybody's.
func (a *App) readerGone(err error) bool {
	var path *os.PathError
	return errors.As(err, &path) && path.Path == a.Out.Name() && errors.Is(path.Err, syscall.EPIPE)
}

// NewRoot is the moss command with the commands that args may ask for: all without args. Documentation is generated from it.
func NewRoot(app *App, args []string) *cobra.Command {
	app.args = args
	root := &cobra.Command{
		Use:           "moss",
		Short:         "Run containers without root and without a daemon",
		Version:       Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			app.tellLibraries()
			return app.enter(cmd.Context())
		},
		RunE: noCommand,
	}
	root.SetVersionTemplate("moss version {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.SetOut(app.Out)
	root.SetErr(app.Err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.CompletionOptions.DisableDefaultCmd = len(args) > 0 && !slices.Contains(args, "completion") // describing it takes longer than finding a container
	fs := root.PersistentFlags()
	fs.Bool("help", false, "say what a command does") // without -h, which is --hostname of run
	fs.StringVar(&app.over.Root, "root", "", "directory that keeps images and containers")
	fs.StringVar(&app.over.RunRoot, "runroot", "", "directory for what a reboot may wipe")
	fs.StringVar(&app.over.Driver, "storage-driver", "", "storage driver (overlay)")
	fs.StringArrayVar(&app.over.StorageOpts, "storage-opt", nil, "option of the storage driver, KEY=VALUE")
	fs.StringVar(&app.over.NetworkDir, "network-config-dir", "", "directory with networks that Podman made")
	fs.Var(&app.logLevel, "log-level", "how much to say: debug, info, warn, error")
	fs.StringVar(&app.runtime, "runtime", "", "OCI runtime to use instead of our own launcher: a name or a path")
	root.AddCommand(commands(app, args)...)
	app.showForeign(root)
	return root
}

// enter gets this process into the user's namespace when the command line wants that and the
// constructor found none: then moss is executed again and this does not return.
func (a *App) enter(ctx context.Context) error {
	if rootless.Inside() || !nsenter.Wants(os.Args) {
		return nil
	}
	engine, err := a.Engine()
	if err != nil {
		return err
	}
	return a.enterAnyway(ctx, engine)
}

// enterAnyway is for commands that only read, and are asked for what only root in the namespace can.
func (a *App) enterAnyway(ctx context.Context, engine *libpod.Engine) error {
	if rootless.Inside() {
		return nil
	}
	if err := a.tellSingleID(ctx, engine); err != nil {
		return err
	}
	return engine.NS.Enter(ctx, engine.Member(), a.interrupts.leave)
}

// singleIDHint is what somebody without subordinate ids can do about it.
const singleIDHint = "chown and setgroups only seem to work in containers; ask an administrator for subordinate ids (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER)"

// tellSingleID says once, until the next boot, that the user has no subordinate ids.
func (a *App) tellSingleID(ctx context.Context, engine *libpod.Engine) error {
	mappings, err := rootless.Configured(ctx, rootless.HostUID(), rootless.HostGID())
	if err != nil || !mappings.Single() {
		return err
	}
	told := filepath.Join(engine.NS.Dir, "told-single-id")
	if _, err := os.Lstat(told); err == nil {
		return nil
	}
	if err := errors.Join(os.MkdirAll(engine.NS.Dir, 0o700), os.WriteFile(told, nil, 0o600)); err != nil {
		return err
	}
	a.Warn("this user has no ranges in /etc/subuid and /etc/subgid, so containers have one user only: " + singleIDHint)
	return nil
}

// noCommand is for words that only lead to a command. Scripts learn from the exit code that they named none.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownCommand(cmd, args[0])
	}
	if err := cmd.Help(); err != nil {
		return err
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "missing command: %s COMMAND%s", cmd.CommandPath(), listHint(cmd))
}

func listHint(cmd *cobra.Command) string {
	return "; " + cmd.CommandPath() + " --help lists the commands"
}

func unknownCommand(cmd *cobra.Command, name string) error {
	if way := instead(cmd, name); way != "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s has no command %q yet: %s", cmd.CommandPath(), name, way)
	}
	hint := listHint(cmd)
	cmd.SuggestionsMinimumDistance = 2 // cobra's own default, which it applies only to its own message
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "unknown command %q for %s%s", name, cmd.CommandPath(), hint)
}

func flagError(cmd *cobra.Command, err error) error {
	if name := misnamed(cmd, os.Args); name != "" { // its flags are not known either
		return unknownCommand(cmd, name)
	}
	var value *pflag.InvalidValueError
	if errors.As(err, &value) {
		err = flagValueError(value)
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "%w; see %s --help", err, cmd.CommandPath())
}

// misnamed is the word of a command line that is where a command's name belongs, right behind cmd, which only leads to commands; "" if there is none.
func misnamed(cmd *cobra.Command, args []string) string {
	words := strings.Fields(cmd.CommandPath())
	if !cmd.HasSubCommands() || len(args) <= len(words) || !slices.Equal(args[1:len(words)], words[1:]) {
		return ""
	}
	if next := args[len(words)]; !strings.HasPrefix(next, "-") {
		return next
	}
	return ""
}

// flagValueError is our own sentence, without the library's around it, or one that says what kind of value is wanted.
func flagValueError(value *pflag.InvalidValueError) error {
	if err := value.Unwrap(); errors.Is(err, errdefs.ErrInvalid) {
		return err
	}
	kinds := map[string]string{"int": "a number", "uint": "a number of at least 0", "bool": "true or false"}
	kind, ok := kinds[value.GetFlag().Value.Type()]
	if !ok {
		return value
	}
	return fmt.Errorf("invalid --%s %q: want %s", value.GetFlag().Name, value.GetValue(), kind)
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: noCommand,
	}
	cmd.AddCommand(commands...)
	return cmd
}
