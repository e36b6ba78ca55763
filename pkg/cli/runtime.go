//go:build !moss_front

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/sys/userns"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod/embedded"
	"github.com/mosscontainers/moss/libpod/oci"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/rootless"
	"github.com/mosscontainers/moss/rootless/nsenter"
)

// runtimeOptions are the global flags of an OCI runtime. Their names, and those of the commands and their flags, are runc's:
// they are an interface between programs.
type runtimeOptions struct {
	app           *App
	root          string
	log           string
	logFormat     string
	debug         bool
	systemdCgroup bool
	version       bool
	program       *os.File // of make
}

// newRuntimeCommand is our launcher as an OCI runtime, for other engines and for the tests that others wrote.
func newRuntimeCommand(app *App) *cobra.Command {
	o := &runtimeOptions{app: app}
	cmd := group("runtime", "Be an OCI runtime", o.commands()...)
	cmd.Hidden = true
	cmd.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return o.prepare(cmd.Context()) }
	help := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.version {
			_, err := fmt.Fprintf(app.Out, "moss-runtime version %s\nspec: %s\n", Version, specs.Version)
			return err
		}
		return help(cmd, args)
	}
	cmd.Flags().BoolVarP(&o.version, "version", "v", false, "print the versions of the runtime and of the specification")
	fs := cmd.PersistentFlags()
	fs.StringVar(&o.root, "root", "", "directory for the state of containers")
	fs.StringVar(&o.log, "log", "", "file to which errors are written too")
	fs.StringVar(&o.logFormat, "log-format", "text", `format of --log: "text" or "json"`)
	fs.BoolVar(&o.debug, "debug", false, "say more: there is nothing more to say")
	fs.BoolVar(&o.systemdCgroup, "systemd-cgroup", false, "not supported")
	return cmd
}

func (o *runtimeOptions) commands() []*cobra.Command {
	return []*cobra.Command{
		o.createCommand(), o.startCommand(), o.runCommand(), o.stateCommand(), o.killCommand(), o.deleteCommand(),
		o.execCommand(), o.listCommand(), o.psCommand(), o.featuresCommand(), o.specCommand(),
	}
}

// prepare checks the global flags, and enters the user's namespace: that of a container that lives, when there is no other.
func (o *runtimeOptions) prepare(ctx context.Context) error {
	if o.systemdCgroup {
		return o.fail(errdefs.Errorf(errdefs.ErrUnavailable, "cannot use --systemd-cgroup: this runtime does not speak with systemd; tell the engine to use cgroupfs"), 1)
	}
	if o.logFormat != "text" && o.logFormat != "json" {
		return o.fail(errdefs.Errorf(errdefs.ErrInvalid, `cannot use --log-format %q: want "text" or "json"`, o.logFormat), 1)
	}
	if rootless.Inside() || !nsenter.Wants(os.Args) {
		return nil
	}
	r, err := o.find()
	if err != nil {
		return o.fail(err, 1)
	}
	engine, err := o.app.Engine()
	if err != nil {
		return o.fail(err, 1)
	}
	member := r.Living()
	if member == 0 {
		member = engine.Member()
	}
	return engine.NS.Enter(ctx, member, o.app.interrupts.leave)
}

// find is the runtime, to look at containers with.
func (o *runtimeOptions) find() (*oci.Runtime, error) {
	root := o.root
	if root == "" {
		var err error
		if root, err = o.defaultRoot(); err != nil {
			return nil, err
		}
	}
	root, err := filepath.Abs(root)
	return &oci.Runtime{Root: root}, err
}

// defaultRoot is a directory that goes with the next boot. Who is root of somebody else's user namespace has no /run.
func (o *runtimeOptions) defaultRoot() (string, error) {
	dir := "/run"
	switch xdg := os.Getenv("XDG_RUNTIME_DIR"); {
	case rootless.Rootless():
		cfg, err := o.app.Config()
		if err != nil {
			return "", err
		}
		dir = cfg.RuntimeDir
	case userns.RunningInUserNS() && xdg != "":
		dir = xdg
	}
	return filepath.Join(dir, "moss", "runtime"), nil
}

// make is the runtime, to start processes with: from a program that they cannot write to.
func (o *runtimeOptions) make() (*oci.Runtime, error) {
	r, err := o.find()
	if err != nil {
		return nil, err
	}
	data, err := embedded.Monitor()
	if err != nil {
		return nil, err
	}
	f, err := sys.SealedProgram("moss-monitor", data)
	if err != nil {
		return nil, err
	}
	// Our own descriptors are not those of the process that is about to execute it. It stays open for as long as we live.
	r.Program = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
	o.program = f
	return r, nil
}

// does makes a command of an OCI runtime: one whose errors are told as its callers expect.
func (o *runtimeOptions) does(code int, run func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error { return o.fail(run(cmd, args), code) }
}

// fail tells an error where callers look for it. Nil is no error.
func (o *runtimeOptions) fail(err error, code int) error {
	var exit *errdefs.ExitError
	if err == nil || errors.As(err, &exit) {
		return err
	}
	text := inRuntimesWords(err)
	if logErr := o.writeLog(text); logErr != nil {
		o.app.Warn(logErr.Error())
	}
	o.app.eprintln("moss-runtime: " + text)
	return &errdefs.ExitError{Code: code}
}

// inRuntimesWords adds the words by which engines tell kinds of errors of a runtime apart.
func inRuntimesWords(err error) string {
	for _, k := range []struct {
		kind  error
		words string
	}{
		{errdefs.ErrNoCommand, "executable file not found in $PATH"},
		{errdefs.ErrNotExecutable, "permission denied"},
	} {
		if text := err.Error(); errors.Is(err, k.kind) {
			return "exec failed: " + strings.TrimSuffix(text, ": "+k.words) + ": " + k.words
		}
	}
	return err.Error()
}

// writeLog adds a line to the log.
func (o *runtimeOptions) writeLog(text string) error {
	if o.log == "" {
		return nil
	}
	entry := struct {
		Level string    `json:"level"`
		Msg   string    `json:"msg"`
		Time  time.Time `json:"time"`
	}{"error", text, time.Now().UTC().Truncate(time.Second)}
	line, err := json.Marshal(entry)
	if o.logFormat == "text" {
		line = fmt.Appendf(nil, "time=%q level=error msg=%q", entry.Time.Format(time.RFC3339), text)
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(o.log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("cannot write the log: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// containerID is for commands that take the id of one container.
var containerID = exactArgs(1, "the id of a container")
