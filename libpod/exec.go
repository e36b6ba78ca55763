package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// ExecOptions describe one more process in a running container.
type ExecOptions struct {
	Command    []string
	Env        []string // KEY=VALUE, over the container's
	WorkDir    string   // "" is the container's
	User       string   // "" is the container's
	Terminal   bool
	Privileged bool
}

// Execution is one more process in a running container.
type Execution struct {
	runtime.Process
	container *state.Container
	runDir    string // of the container
}

// Start executes the command.
func (x *Execution) Start() error { return blame(context.Background(), x.container, x.Process.Start()) }

// Leave lets the process run on without the caller: the container's monitor keeps its terminal, the master side of
// which is console.
func (x *Execution) Leave(ctx Context, console *os.File) error {
	conn, err := monitor.Dial(x.runDir)
	if err == nil {
		err = monitor.KeepTerminal(ctx, conn, console)
	}
	if err != nil {
		return fmt.Errorf("cannot leave the command running: %w", err)
	}
	return nil
}

// Exec sets a process up in a running container; it waits for Start. The caller is its parent.
func (e *Engine) Exec(ctx Context, ref string, o ExecOptions, io runtime.Stdio) (*Execution, error) {
	c, err := e.running(ref, "execute a command in")
	if err != nil {
		return nil, err
	}
	if o.WorkDir != "" && !path.IsAbs(o.WorkDir) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use the working directory %q: want an absolute path inside the container", o.WorkDir)
	}
	if err := errors.Join(spec.CheckText("argument", o.Command...), spec.CheckText("variable", o.Env...), spec.CheckText("working directory", o.WorkDir)); err != nil {
		return nil, err
	}
	exe, err := e.monitorProgram()
	if err != nil {
		return nil, err
	}
	target := runtime.Target{Pid: c.State.Init.Pid, Cgroup: c.State.Cgroup, Place: enterGroup(c)}
	task := func() (*runtime.Task, error) { return e.task(c, o) }
	p, err := runtime.Exec(ctx, target, task, io, exe.path())
	if err = blame(ctx, c, err); errors.Is(err, errdefs.ErrInvalid) {
		err = errdefs.Errorf(errdefs.ErrUnfit, "%w", err)
	}
	if err == nil && !c.State.Init.Alive() {
		// It ended meanwhile, and its pid may have become somebody else's: nothing may run there.
		err = errors.Join(errEnded(c), syscall.Kill(p.Pid(), syscall.SIGKILL))
	}
	return &Execution{p, c, e.runDirOf(c)}, errors.Join(err, exe.Close())
}

// blame says that nothing could be executed in a container because it has ended, if that is so.
func blame(ctx Context, c *state.Container, err error) error {
	explained := errdefs.Explained(err) && !errors.Is(err, errdefs.ErrConflict)
	if err == nil || explained && c.State.Init.Alive() && !ending(c.State.Init) {
		return err
	}
	// With its PID 1 the kernel ends all that is in a container, and that one last.
	ended, waitErr := waitProcess(ctx, c.State.Init, endTime)
	if waitErr == nil && (ended || ending(c.State.Init)) {
		return errEnded(c)
	}
	return err
}

// ending says that a process has lost its program already: it may still have to wait for others of its container whose parents do not collect them.
func ending(p sys.Process) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.Pid))
	return errors.Is(err, os.ErrNotExist)
}

// endTime is more than a container needs to end whose processes are being killed.
const endTime = time.Second

// wakeCommands lets commands of ours go on that somebody stopped (Ctrl-Z) while they wait for a process in a container, and that has ended: PID 1 of a container
// ends when all of its processes have been collected.
func wakeCommands() {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return
	}
	for _, parent := range sys.StoppedParents() {
		if exe, err := os.Stat(fmt.Sprintf("/proc/%d/exe", parent.Pid)); err == nil && os.SameFile(self, exe) {
			_ = parent.Signal(syscall.SIGCONT) // it may go on already
		}
	}
}

// task is what the process is to do: what the container was started with, changed by the options.
func (e *Engine) task(c *state.Container, o ExecOptions) (*runtime.Task, error) {
	bundle, err := os.ReadFile(filepath.Join(e.runDirOf(c), bundleFile))
	if errors.Is(err, os.ErrNotExist) { // the end of a session has removed it, perhaps
		bundle, err = monitor.Bundle(c.State.Monitor)
	}
	var t *runtime.Task
	if err == nil {
		t, err = runtime.Encoded(bundle).Task()
	}
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot read what container %s was started with: %w; restart it", c.Spec.Name, err)
	}
	process := t.Process
	process.Args = o.Command
	process.Env = spec.MergeEnv(process.Env, o.Env)
	process.Terminal = o.Terminal
	process.ConsoleSize = nil
	if o.WorkDir != "" {
		process.Cwd = o.WorkDir
	}
	if o.User != "" {
		t.User = o.User
	}
	if o.Privileged {
		if process.Capabilities, err = e.allCapabilities(); err != nil {
			return nil, err
		}
		t.Seccomp, process.NoNewPrivileges = "", false
	}
	return t, nil
}

func errEnded(c *state.Container) error {
	if c.State.Status == state.Restarting {
		return errdefs.Errorf(errdefs.ErrConflict, "cannot execute a command in container %s: %w", c.Spec.Name, errBetween)
	}
	return errdefs.Errorf(errdefs.ErrConflict, "cannot execute a command in container %s: it has just ended", c.Spec.Name)
}

// allCapabilities are those of a privileged process.
func (e *Engine) allCapabilities() (*specs.LinuxCapabilities, error) {
	facts, err := e.Facts()
	if err != nil {
		return nil, err
	}
	all, err := (&spec.Security{Privileged: true}).Capabilities(facts)
	return &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}, err
}

// running finds a container that has a process; verb says in an error what could not be done.
func (e *Engine) running(ref, verb string) (*state.Container, error) {
	c, err := e.Whole(ref)
	if err != nil {
		return nil, err
	}
	if !c.State.Active() {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot %s container %s: it is %s, not running; start it with moss start %s", verb, c.Spec.Name, c.State.Status, c.Spec.Name)
	}
	return c, c.Reach()
}
