package sys

import (
	"math"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
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

// MostDescriptors is how many descriptors this process may have open; the Go runtime raises the soft limit to the hard one.
func MostDescriptors() int {
	var may unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &may); err != nil { // not with these arguments
		return 0
	}
	return int(min(may.Cur, math.MaxInt32))
}

// Inherited is a descriptor that whoever executed this program left open, nil if it is not: all that we open is closed on execution.
func Inherited(fd int) *os.File {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC != 0 {
		return nil
	}
	return os.NewFile(uintptr(fd), "inherited:"+strconv.Itoa(fd))
}

// MoveFrom gives an open file a descriptor of at least first. The old one stays.
func MoveFrom(f *os.File, first int) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, first)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
