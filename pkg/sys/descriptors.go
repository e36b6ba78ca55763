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

// RaiseDescriptors lets a process of this user's have as many open as its hard limit allows. Go's programs see to that themselves.
func RaiseDescriptors(pid int) error {
	var may unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &may); err != nil {
		return os.NewSyscallError("prlimit", err)
	}
	may.Cur = may.Max
	return os.NewSyscallError("prlimit", unix.Prlimit(pid, unix.RLIMIT_NOFILE, &may, nil))
}

// roomy is how many descriptors are enough for a program that serves many; it is the hard limit that Linux begins with.
const roomy = 4096

// Cramped says whether a process of this user's may have so few open that those whom it serves get to know it, fewer than one could that this process starts:
// nobody but root raises a hard limit.
func Cramped(pid int) bool {
	var its, own unix.Rlimit
	if unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &its) != nil || unix.Getrlimit(unix.RLIMIT_NOFILE, &own) != nil {
		return false // it has just ended, or is not ours to judge
	}
	return its.Max < roomy && its.Max < own.Max
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
