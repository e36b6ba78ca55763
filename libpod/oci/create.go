package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/moby/sys/userns"
	_ "github.com/opencontainers/cgroups/devices" // enforces rules about devices
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/libpod/seccomp"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/sys"
)

// CreateOptions are the flags of `create`.
type CreateOptions struct {
	Bundle        string // directory with config.json
	PidFile       string // gets the first process's id, "" for none
	ConsoleSocket string // where the master side of the terminal goes
	// Stdio are the container's streams, unless it has a terminal.
	Stdio runtime.Stdio
}

// Create sets a container up to the point where its command could be executed.
func (r *Runtime) Create(ctx context.Context, id string, o CreateOptions) error {
	_, err := r.create(ctx, id, o)
	return err
}

func (r *Runtime) create(ctx context.Context, id string, o CreateOptions) (p runtime.Process, err error) {
	if err := host.Suffices(); err != nil {
		return nil, err
	}
	if _, err := r.dir(id); err != nil {
		return nil, err
	}
	bundle, err := filepath.Abs(o.Bundle)
	if err != nil {
		return nil, err
	}
	spec, err := load(bundle)
	if err != nil {
		return nil, err
	}
	if err := checkConsole(spec.Process.Terminal, o.ConsoleSocket); err != nil {
		return nil, err
	}
	c, lock, err := r.claim(id)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(c.dir))
		}
	}()
	if err := c.describe(id, bundle, spec); err != nil {
		return nil, err
	}
	return r.launch(ctx, c, spec, o)
}

// describe writes down what the container is to be, so that whatever is made of it from now on can be found and removed.
func (c *container) describe(id, bundle string, spec *specs.Spec) error {
	if spec.Linux.CgroupsPath == "" && !userns.RunningInUserNS() {
		spec.Linux.CgroupsPath = "/" + id
	}
	c.record = record{
		ID: id, Bundle: bundle, Rootfs: spec.Root.Path, Created: time.Now().UTC(), Annotations: spec.Annotations,
		Cgroup: spec.Linux.CgroupsPath, Process: spec.Process, Hooks: spec.Hooks, Filtered: spec.Linux.Seccomp != nil,
		OwnPIDs: slices.Contains(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.PIDNamespace}),
	}
	if u, err := user.Current(); err == nil {
		c.Owner = u.Username
	}
	others, err := runtime.CgroupProcesses(c.Cgroup)
	if err != nil {
		return err
	}
	if len(others) > 0 { // they would end with the container
		return errdefs.Errorf(errdefs.ErrConflict, "cannot create container %s: its cgroup %s has processes already", id, c.Cgroup)
	}
	if c.Filtered {
		if err := seccomp.CompileRules(c.filter(), spec.Linux.Seccomp); err != nil {
			return err
		}
	}
	return c.write()
}

// launch starts the first process.
func (r *Runtime) launch(ctx context.Context, c *container, spec *specs.Spec, o CreateOptions) (p runtime.Process, err error) {
	stripped := *spec.Linux
	stripped.Seccomp = nil // it is compiled
	config := *spec
	config.Linux, config.Hooks = &stripped, nil
	encoded, err := (&runtime.Bundle{ID: c.ID, Spec: &config, Seccomp: c.filter(), RunDir: c.dir}).Encode()
	if err != nil {
		return nil, err
	}
	goruntime.LockOSThread() // the thread that clones must not join namespaces meanwhile, nor end
	p, err = runtime.New(r.Program).CreateDetached(ctx, encoded, o.Stdio, runtime.Detached{
		Dir: c.dir,
		Mounted: func(pid int) error {
			if err := c.know(pid); err != nil {
				return err
			}
			return c.runBefore(ctx)
		},
	})
	if err != nil {
		return nil, err
	}
	if p.Pid() != c.Init.Pid { // in somebody else's PID namespace another process is born
		err = c.know(p.Pid())
	}
	if err == nil {
		err = c.finish(p, o)
	}
	if err != nil {
		return nil, errors.Join(err, undo(p))
	}
	return p, nil
}

// undo ends a process that was set up and could not be handed over.
func undo(p runtime.Process) error {
	err := syscall.Kill(p.Pid(), syscall.SIGKILL) // not collected yet, it has its id
	_, waitErr := p.Wait()
	return errors.Join(err, waitErr, p.Delete())
}

// know writes the first process down, while that still ends with us: later it does not.
func (c *container) know(pid int) (err error) {
	if c.Init, err = sys.Identify(pid); err != nil {
		return fmt.Errorf("cannot create container %s: its first process was killed", c.ID)
	}
	return c.write()
}

// finish hands the container over to the caller.
func (c *container) finish(p runtime.Process, o CreateOptions) error {
	if err := sendConsole(o.ConsoleSocket, p.Console()); err != nil {
		return err
	}
	return writePid(o.PidFile, p.Pid())
}

// writePid writes a process id where the caller wants it, whole or not at all.
func writePid(path string, pid int) error {
	if path == "" {
		return nil
	}
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(temporary, []byte(strconv.Itoa(pid)), 0o644); err != nil {
		return fmt.Errorf("cannot write the process id: %w", err)
	}
	return os.Rename(temporary, path)
}

func checkConsole(terminal bool, socket string) error {
	switch {
	case terminal && socket == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot give the container a terminal: name a socket for it with --console-socket")
	case !terminal && socket != "":
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --console-socket: the process has no terminal")
	}
	return nil
}

// sendConsole sends the master side of a terminal to who listens on socket: runc's docs/terminals.md.
func sendConsole(socket string, master *os.File) error {
	if master == nil {
		return nil
	}
	defer master.Close()
	conn, err := sys.DialUnix(filepath.Dir(socket), filepath.Base(socket))
	if err != nil {
		return fmt.Errorf("cannot hand the terminal over: %w", err)
	}
	defer conn.Close()
	return sys.SendFile(conn, []byte("/dev/ptmx"), master)
}
