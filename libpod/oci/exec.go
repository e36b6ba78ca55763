package oci

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// ExecOptions are the flags of `exec`.
type ExecOptions struct {
	// ProcessFile is a file with the process as JSON, "" for the container's own as Change makes it.
	ProcessFile string
	Change      func(*specs.Process) error
	User        string // user[:group], "" for the process's own

	Detach                 bool
	PidFile, ConsoleSocket string
	Stdio                  runtime.Stdio
}

// Exec runs one more process in a container, and returns its exit code unless it is detached.
func (r *Runtime) Exec(ctx context.Context, id string, o ExecOptions) (int, error) {
	c, err := r.open(id)
	if err != nil {
		return 0, err
	}
	if s := c.status(); s != specs.StateRunning {
		return 0, errdefs.Errorf(errdefs.ErrConflict, "cannot execute in container %s: it is %s", id, s)
	}
	proc, err := c.process(o)
	if err != nil {
		return 0, err
	}
	task := &runtime.Task{Process: proc, Seccomp: c.filter(), User: o.User}
	target := runtime.Target{Pid: c.Init.Pid, Cgroup: c.Cgroup}
	p, err := runtime.Exec(ctx, target, func() (*runtime.Task, error) { return task, nil }, o.Stdio, r.Program)
	if err != nil {
		return 0, err
	}
	if err := sendConsole(o.ConsoleSocket, p.Console()); err != nil {
		return 0, errors.Join(err, undo(p))
	}
	if err := p.Start(); err != nil {
		return 0, err
	}
	if err := writePid(o.PidFile, p.Pid()); err != nil {
		return 0, errors.Join(err, undo(p))
	}
	if o.Detach {
		return 0, nil
	}
	return wait(p)
}

// process is what to execute.
func (c *container) process(o ExecOptions) (*specs.Process, error) {
	proc := &specs.Process{}
	if o.ProcessFile != "" {
		if err := readJSON(o.ProcessFile, proc); err != nil {
			return nil, err
		}
	} else {
		*proc = *c.Process
		if err := o.Change(proc); err != nil {
			return nil, err
		}
	}
	if proc.ApparmorProfile != "" || proc.SelinuxLabel != "" || proc.Scheduler != nil || proc.IOPriority != nil || proc.ExecCPUAffinity != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot execute in container %s: this runtime supports no security labels, schedulers, priorities and affinities", c.ID)
	}
	return proc, checkConsole(proc.Terminal, o.ConsoleSocket)
}

// Run is Create and Start, and unless detached it waits for the end of the container, deletes it and returns its exit code.
func (r *Runtime) Run(ctx context.Context, id string, o CreateOptions, detach, keep bool) (code int, warnings []string, err error) {
	if !detach {
		if err := sys.AdoptOrphans(); err != nil { // a container without a PID namespace leaves them
			return 0, nil, err
		}
	}
	p, err := r.create(ctx, id, o)
	if err != nil {
		return 0, nil, err
	}
	remove := func() error {
		more, err := r.Delete(context.WithoutCancel(ctx), id, true)
		warnings = append(warnings, more...)
		return err
	}
	warnings, err = r.Start(ctx, id)
	if err != nil {
		return 0, warnings, errors.Join(err, remove())
	}
	if detach {
		return 0, warnings, nil
	}
	code, err = wait(p)
	if !keep {
		err = errors.Join(err, remove())
	}
	return code, warnings, err
}

// wait waits for a process and passes on the signals that we get meanwhile.
func wait(p runtime.Process) (int, error) {
	life, err := sys.Identify(p.Pid())
	if err != nil { // it has ended
		return p.Wait()
	}
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range signals {
			switch s {
			case syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPIPE:
			default:
				_ = life.Signal(s.(syscall.Signal)) // it may have ended
			}
		}
	}()
	code, err := p.Wait()
	signal.Stop(signals)
	close(signals)
	<-done
	return code, err
}
