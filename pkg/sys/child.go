package sys

import (
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// AdoptOrphans makes this process the parent of descendants whose own parent ends (prctl(2),
// PR_SET_CHILD_SUBREAPER).
func AdoptOrphans() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

// ReapOrphans collects the children that have ended, up to the first that is keep, whose status
// somebody else waits for.
func ReapOrphans(keep int) {
	for {
		pid := endedChild()
		if pid <= 0 || pid == keep {
			return
		}
		if _, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err != nil {
			return
		}
	}
}

// endedChild is a child that has ended and is not collected yet; 0 is none.
func endedChild() int {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil || info.Signo == 0 {
		return 0
	}
	// siginfo_t of SIGCHLD: three ints and padding to the union's alignment, then si_pid (sigaction(2)).
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), 16)))
}

// CloseForeign closes every descriptor from first on that would be inherited by a child: those that this
// program's own caller left open, since all of ours are close-on-exec.
func CloseForeign(first int) error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < first {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
	return nil
}
