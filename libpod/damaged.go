package libpod

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// endDamaged ends a container whose files cannot be read, before it is removed. What it is called, and how it wants to be told, nobody knows.
func (e *Engine) endDamaged(ctx Context, c *state.Container, opts RemoveOptions) error {
	left := e.stillThere(c.Spec.ID)
	if len(left) == 0 {
		if held, err := sys.LockHeld(filepath.Join(c.Dir, state.LayerDir)); err == nil && held {
			return errdefs.Errorf(errdefs.ErrUnavailable, "cannot remove container %s: it is damaged, and runs where its processes are not seen from here, on another machine or in another session; remove it there", c.Spec.Name)
		}
		return nil
	}
	if !opts.Force {
		return stillRuns(c)
	}
	timeout := defaultStopTimeout
	if opts.Timeout != nil {
		timeout = time.Duration(*opts.Timeout) * time.Second
	}
	if timeout > 0 {
		if err := signalProcess(left[0], syscall.SIGTERM); err != nil { // a monitor passes it on
			return err
		}
	}
	for _, process := range left {
		if err := end(ctx, c.Spec.ID, process, timeout); err != nil {
			return err
		}
		timeout = 0
	}
	return nil
}

// endStrays ends the containers of this store whose directories somebody has removed while they ran: nothing else tells of them.
func (e *Engine) endStrays(ctx Context) error {
	entries, err := os.ReadDir(e.runDir(""))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot look for containers without a directory: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		id := entry.Name()
		if !e.isStray(id) {
			continue
		}
		timeout := time.Duration(0)
		for _, process := range slices.Backward(e.stillThere(id)) { // the monitor gives back what it has, and ends too
			errs = append(errs, end(ctx, id, process, timeout))
			timeout = time.Minute
		}
		errs = append(errs, runtime.RemoveCgroup(e.bundledGroup(id)), os.RemoveAll(e.runDir(id)))
	}
	return errors.Join(errs...)
}

// bundledGroup is the cgroup that a container was to be started in, as its run directory tells; "" for none.
func (e *Engine) bundledGroup(id string) string {
	bundle, err := os.ReadFile(filepath.Join(e.runDir(id), bundleFile))
	if err != nil {
		return ""
	}
	group, _ := runtime.Encoded(bundle).Cgroup() // one that is written in part was told to nobody
	return group
}

// isStray says that a run directory is of a container that was in this store, and is not: others may share the directory of all.
func (e *Engine) isStray(id string) bool {
	bundle, err := os.ReadFile(filepath.Join(e.runDir(id), bundleFile))
	return err == nil && bytes.Contains(bundle, []byte(e.Store.ContainerDir(id)+"/")) && !e.Store.Exists(id)
}

func stillRuns(c *state.Container) error {
	what := "damaged"
	if errors.Is(c.Damaged, errdefs.ErrNewer) {
		what = "a newer moss's"
	}
	return errdefs.Errorf(errdefs.ErrConflict, "cannot remove container %s: it is %s, and running; remove it with -f", c.Spec.Name, what)
}

// stillThere are the processes of a container, its monitor first, as its run directory tells: by the file that the monitor left, or else by the
// socket that it listens on. To ask there wakes a monitor, which is not to be told anything before it is awake.
func (e *Engine) stillThere(id string) (left []sys.Process) {
	dir := e.runDir(id)
	life, _ := monitor.ReadLife(dir) // nothing when it is damaged too
	if !life.Monitor.Alive() {
		life.Monitor, _ = monitor.Listening(dir)
	}
	for _, process := range []sys.Process{life.Monitor, life.Container} {
		if process.Alive() {
			left = append(left, process)
		}
	}
	return left
}
