package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// killChildren ends and reaps all children of this process, again and again, because those of a child
// become ours when it ends. It is how a container without cgroup and PID namespace ends. spare, which may be nil, names those
// that are not the container's.
func killChildren(spare func() []int) error {
	for {
		pids, err := children()
		if err == nil && spare != nil {
			others := spare()
			pids = slices.DeleteFunc(pids, func(pid int) bool { return slices.Contains(others, pid) })
		}
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
				return fmt.Errorf("cannot end process %d of the container: %w", pid, err)
			}
			if err := reap(pid); err != nil {
				return err
			}
		}
	}
}

// reap waits for one child. Somebody else may have waited for it already.
func reap(pid int) error {
	for {
		_, err := syscall.Wait4(pid, nil, 0, nil)
		switch err {
		case syscall.EINTR:
			continue
		case nil, syscall.ECHILD:
			return nil
		}
		return fmt.Errorf("cannot wait for process %d: %w", pid, err)
	}
}

// children are the process ids of this process's children: proc_pid_task_tid_children(5).
func children() ([]int, error) {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			return nil, fmt.Errorf("cannot list the container's processes: %w", err)
		}
		for _, f := range bytes.Fields(b) {
			pid, err := strconv.Atoi(string(f))
			if err != nil {
				return nil, err
			}
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
