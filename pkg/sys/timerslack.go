package sys

import (
	"errors"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// lateTimers is by how many nanoseconds timers may be late in a process that SpawnLate starts: MOSS_LATE_TIMERS in rootless/nsenter.
const lateTimers = 1_000_000

// SpawnLate is Spawn of a Go program that lives for a few milliseconds and waits for no timer. A thread of its runtime looks after the
// others every 20 µs, and each look takes the kernel a quarter as long; it begins with the slack of the thread that starts the program. What that
// was before is the Child's Slack: the program's first thread sets it, or another program that it executes would inherit the late timers.
func SpawnLate(exe string, argv []string, dir string, env []string, files []*os.File, attr *syscall.SysProcAttr) (*Child, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	slack, err := timerSlack()
	if err != nil {
		return nil, err
	}
	if err = SetTimerSlack(max(slack, lateTimers)); err != nil {
		return nil, err
	}
	child, err := Spawn(exe, argv, dir, env, files, attr)
	if child != nil {
		child.Slack = slack
	}
	return child, errors.Join(err, SetTimerSlack(slack))
}

func timerSlack() (int, error) {
	ns, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	return ns, os.NewSyscallError("prctl(PR_GET_TIMERSLACK)", err)
}

// SetTimerSlack says by how many nanoseconds the kernel may be late with the calling thread's timers (prctl(2), PR_SET_TIMERSLACK): 0 is
// what it was when the thread that started this one last changed it.
func SetTimerSlack(ns int) error {
	return os.NewSyscallError("prctl(PR_SET_TIMERSLACK)", unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(ns), 0, 0, 0))
}
