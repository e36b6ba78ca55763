package runtime

import (
	"context"
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// unborn is the name (proc_pid_comm(5)) of a process that is to become a container's, until it executes the container's program: the kernel changes it
// once the process has neither memory nor descriptors of ours any more, and it never gets them back.
const unborn = "moss-unborn"

// patience is how long whoever wants to join a container waits until it has been started.
const patience = 10 * time.Second

// awaitBirth waits until the first process of a container executes the container's program. Nobody may be let into its PID namespace before: whoever may trace there, or whom an image
// has made to look, would get at what sets the container up. Who has opened the process, or its namespace, before may go on afterwards. One that has ended is for others to tell of.
func awaitBirth(ctx context.Context, pid int) error {
	for begun := time.Now(); ; {
		name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			return nil
		}
		if err != nil || string(name) != unborn+"\n" {
			return err
		}
		if time.Since(begun) > patience {
			return errdefs.Errorf(errdefs.ErrConflict, "its first process has not been started yet")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}
