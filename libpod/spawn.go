package libpod

import (
	"errors"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/rootless"
)

// Monitor is the process that is going to keep a container: it starts up while the rest is put together.
type Monitor struct {
	handle *monitor.Handle
	exe    program
}

// Spawn starts the monitor of a container that is described, but need not have been created, unless one has been started with
// the command. Give it to Start or Run, or close it.
func (e *Engine) Spawn(ctx Context, c *spec.Container) (*Monitor, error) {
	if c.ID == "" {
		c.ID = newContainerID()
	}
	m, err := e.monitorFor(ctx, c)
	if err == nil && usesOwnLauncher(c) {
		if err = m.handle.Prepare(runtime.Fresh(c.Fresh())); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	return m, err
}

func (e *Engine) monitorFor(ctx Context, c *spec.Container) (m *Monitor, err error) {
	if started, ok := e.NS.Monitor(); ok {
		if usesOwnLauncher(c) {
			return &Monitor{handle: monitor.Adopt(started.PID, started.Control, c.ID, started.Fresh)}, nil
		}
		started.Control.Close() // it ends, and the first process that it has begun with
	}
	m = &Monitor{}
	if m.exe, err = e.monitorProgram(); err != nil {
		return nil, err
	}
	if m.handle, err = monitor.Spawn(ctx, m.exe.path(), c.ID, rootless.UsersLock()); err != nil {
		return nil, errors.Join(err, m.exe.Close())
	}
	if err := e.share(m.exe, m.handle.Pid()); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// announce tells the monitor which container is about to be made: if this command is killed while it makes it, the monitor removes what there is of it.
func (e *Engine) announce(c *spec.Container, m *Monitor) error {
	if m == nil {
		return nil
	}
	runDir := e.runDir(c.ID)
	return m.handle.Making(&monitor.Request{ContainerID: c.ID, RunDir: runDir, StateDir: e.Store.Dir, Remove: c.Remove, Trees: []string{runDir}})
}

// Close gives up a container that does not run: its monitor cleans up and ends. It is nothing on nil.
func (m *Monitor) Close() error {
	if m == nil {
		return nil
	}
	return errors.Join(m.release(), m.handle.Wait())
}

// release lets go of the monitor of a container that runs.
func (m *Monitor) release() error { return errors.Join(m.handle.Close(), m.exe.Close()) }

func usesOwnLauncher(c *spec.Container) bool { return c.Runtime == "" || c.Runtime == "moss" }
