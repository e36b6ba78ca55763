package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Start executes the command of a container that was created. warnings come from hooks.
func (r *Runtime) Start(ctx context.Context, id string) (warnings []string, err error) {
	c, err := r.open(id)
	if err != nil {
		return nil, err
	}
	lock, err := sys.LockDir(c.dir, false) // two starts would have the second one wait for the container's end
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	if c, err = r.open(id); err != nil { // as it is now
		return nil, err
	}
	if !c.awaitsStart() {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot start container %s: it is %s", id, c.status())
	}
	if err := runtime.StartDetached(c.dir); err != nil {
		return nil, err
	}
	if c.Hooks == nil {
		return nil, nil
	}
	return c.runAfter(ctx, c.Hooks.Poststart, specs.StateRunning), nil
}

// Kill sends a signal to the first process, or to all.
func (r *Runtime) Kill(id string, sig syscall.Signal, all bool) error {
	c, err := r.open(id)
	if err != nil {
		return err
	}
	if all && (c.Cgroup != "" || !c.OwnPIDs || sig != syscall.SIGKILL) { // else the kernel ends all with the first
		return c.killAll(sig)
	}
	if s := c.status(); s != specs.StateCreated && s != specs.StateRunning {
		return errdefs.Errorf(errdefs.ErrConflict, "cannot send a signal to container %s: container not running", id)
	}
	err = c.Init.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return errdefs.Errorf(errdefs.ErrConflict, "cannot send a signal to container %s: process already finished", id)
	}
	return err
}

func (c *container) killAll(sig syscall.Signal) error {
	if c.Cgroup == "" {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot find all processes of container %s: it has no cgroup", c.ID)
	}
	pids, err := runtime.CgroupProcesses(c.Cgroup)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("cannot send a signal to process %d of container %s: %w", pid, c.ID, err)
		}
	}
	return nil
}

// Processes are those of a container.
func (r *Runtime) Processes(id string) ([]int, error) {
	c, err := r.open(id)
	if err != nil {
		return nil, err
	}
	if c.Cgroup == "" {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot find the processes of container %s: it has no cgroup", id)
	}
	return runtime.CgroupProcesses(c.Cgroup)
}

// Delete removes a container that has ended, or was never started; with force, any, and none is fine.
func (r *Runtime) Delete(ctx context.Context, id string, force bool) (warnings []string, err error) {
	c, err := r.open(id)
	if force && errors.Is(err, errdefs.ErrNotFound) {
		return nil, nil
	}
	if force && errors.Is(err, errdefs.ErrDamaged) {
		return r.discard(id, err)
	}
	if err != nil {
		return nil, err
	}
	switch s := c.status(); {
	case s == specs.StateCreating:
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot delete container %s: it is being created or deleted", id)
	case s == specs.StateRunning && !force:
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot delete container %s: it is not stopped: %s", id, s)
	}
	lock, err := sys.LockDir(c.dir, false)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	if err := c.end(); err != nil {
		return nil, err
	}
	if err := runtime.RemoveCgroup(c.Cgroup); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return nil, fmt.Errorf("cannot delete container %s: %w", id, err)
	}
	if c.Hooks != nil {
		warnings = c.runAfter(ctx, c.Hooks.Poststop, specs.StateStopped)
	}
	return warnings, nil
}

// discard removes a container that nothing is known of.
func (r *Runtime) discard(id string, why error) ([]string, error) {
	dir, err := r.dir(id)
	if err != nil {
		return nil, err
	}
	return []string{why.Error()}, os.RemoveAll(dir)
}

// patience is how long a killed process may take to end.
const patience = 10 * time.Second

// end kills the first process, if it lives.
func (c *container) end() error {
	pidfd, err := c.Init.Open()
	if c.Init.Pid == 0 || errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer pidfd.Close()
	if err := c.Init.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot end container %s: %w", c.ID, err)
	}
	gone, err := sys.WaitExit(pidfd, patience)
	if err == nil && !gone {
		err = fmt.Errorf("cannot end container %s: its first process does not react to being killed; is a file system stuck?", c.ID)
	}
	return err
}
