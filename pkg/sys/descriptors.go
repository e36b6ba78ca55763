package sys

import (
	"os"
	"path/filepath"
	"strconv"
)

// Pids are the processes that /proc shows.
func Pids() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Descriptors are what a process has open, as far as this one may know: by the paths below /proc through which others
// open the same, what the kernel calls it (proc_pid_fd(5)): a path, or "net:[4026531840]" or "pipe:[1234]".
func Descriptors(pid int) map[string]string {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	open := map[string]string{}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if name, err := os.Readlink(path); err == nil {
			open[path] = name
		}
	}
	return open
}
