package sys

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process names one life of one process: a pid alone is reused, and a reboot starts them over.
type Process struct {
	Pid       int    `json:"pid"`
	StartTime uint64 `json:"startTime"` // field 22 of /proc/PID/stat: clock ticks since boot
	BootID    string `json:"bootID"`    // /proc/sys/kernel/random/boot_id
}

// Identify reads what names the living process pid.
func Identify(pid int) (Process, error) {
	start, err := startTime(pid)
	if err != nil {
		return Process{}, err
	}
	boot, err := BootID()
	return Process{Pid: pid, StartTime: start, BootID: boot}, err
}

// Alive says whether this very process still runs; a zombie does not. One of which nothing can be read just now does, as long as somebody has its
// number: what is done for the dead cannot be undone.
func (p Process) Alive() bool {
	alive, err := p.alive()
	return alive || err != nil && syscall.Kill(p.Pid, 0) != syscall.ESRCH
}

func (p Process) alive() (bool, error) {
	if p.Pid <= 0 {
		return false, nil
	}
	boot, err := BootID()
	if err != nil || boot != p.BootID {
		return false, err
	}
	start, err := startTime(p.Pid)
	if errors.Is(err, os.ErrProcessDone) {
		return false, nil
	}
	return err == nil && start == p.StartTime, err
}

// Open returns a pidfd of this very process; os.ErrProcessDone when it is gone.
func (p Process) Open() (*os.File, error) {
	fd, err := unix.PidfdOpen(p.Pid, 0)
	alive, unknown := p.alive()
	if err == nil && (!alive || unknown != nil) {
		_ = unix.Close(fd)
	}
	switch {
	case !alive && unknown == nil: // its number may be a thread's now, which has no pidfd
		return nil, os.ErrProcessDone
	case err != nil || unknown != nil:
		return nil, fmt.Errorf("cannot open process %d: %w", p.Pid, cmp.Or(err, unknown))
	}
	return os.NewFile(uintptr(fd), "pidfd:"+strconv.Itoa(p.Pid)), nil
}

// Signal sends a signal to this very process; os.ErrProcessDone when it is gone.
func (p Process) Signal(sig syscall.Signal) error {
	f, err := p.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.PidfdSendSignal(int(f.Fd()), sig, nil, 0)
	if err == unix.ESRCH {
		return os.ErrProcessDone
	}
	return err
}

// WaitExit blocks until the process behind a pidfd has ended, or the timeout is over. It says whether the
// process has ended.
func WaitExit(pidfd *os.File, timeout time.Duration) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(timeout.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		return n > 0, err
	}
}

// AwaitEnd waits until nothing of a process is left, or the timeout is over: while its first thread is a zombie already, so that it does not count as alive, others
// may be on their way out, with its files.
func (p Process) AwaitEnd(timeout time.Duration) error {
	fd, err := unix.PidfdOpen(p.Pid, 0)
	if err != nil {
		return nil //nolint:nilerr // it is gone; its number may be a thread's
	}
	pidfd := os.NewFile(uintptr(fd), "pidfd:"+strconv.Itoa(p.Pid))
	defer pidfd.Close()
	if s, err := statOf(p.Pid); err != nil || s.start != p.StartTime {
		return nil //nolint:nilerr // its number is another's
	}
	_, err = WaitExit(pidfd, timeout)
	return err
}

// Doomed says of a process that counts as alive, or does not any more, that it is on its way out: it was killed, and may not have got to notice, or not all of it has
// gone. What dies with it may live until then.
func (p Process) Doomed() bool {
	for i := range 2 { // between taking the signal and beginning to end there is a moment in which nothing shows
		time.Sleep(time.Duration(i) * time.Millisecond)
		s, err := statOf(p.Pid)
		if err != nil || s.start != p.StartTime {
			return false
		}
		if s.gone() || s.flags&exiting != 0 || s.pending&(1<<(unix.SIGKILL-1)) != 0 {
			return true
		}
	}
	return false
}

// FirstThreadEnded says that the first thread of a process has ended, which others of it may outlive.
func FirstThreadEnded(pid int) bool {
	s, err := statOf(pid)
	return err == nil && s.gone()
}

// AwaitExit waits for the end of the process behind a pidfd that Go can wait for (Pollable), without a thread. It
// fails when the pidfd is closed meanwhile.
func AwaitExit(pidfd *os.File) error {
	raw, err := pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var pollErr error
	err = raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		var n int
		n, pollErr = unix.Poll(fds, 0)
		return n > 0 || (pollErr != nil && pollErr != unix.EINTR)
	})
	return errors.Join(err, os.NewSyscallError("poll", pollErr))
}

// BootID is the kernel's random identity of this boot.
func BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}

// Here is where this process is: among the processes of one boot of one machine, and of one PID namespace, by its inode.
func Here() (boot string, pids uint64, err error) {
	boot, err = BootID()
	var s unix.Stat_t
	if err == nil {
		err = os.NewSyscallError("stat", unix.Stat("/proc/self/ns/pid", &s))
	}
	return boot, s.Ino, err
}

// StoppedParents are the processes that are stopped and have children to collect.
func StoppedParents() (parents []Process) {
	for _, child := range zombies() {
		if parent, err := statOf(child.parent); err == nil && parent.state == 'T' {
			if p, err := Identify(child.parent); err == nil {
				parents = append(parents, p)
			}
		}
	}
	return parents
}

// Uncollected is a process that has ended in the PID namespace whose first process is init, and the parent that has not collected it: the first process
// of a namespace ends after all others.
func Uncollected(init int) (child, parent int, ok bool) {
	namespace := func(pid int) string {
		link, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)) // "" is nobody's
		return link
	}
	its := namespace(init)
	for _, z := range zombies() {
		if its != "" && z.pid != init && namespace(z.pid) == its {
			return z.pid, z.parent, true
		}
	}
	return 0, 0, false
}

type zombie struct{ pid, parent int }

// zombies are the processes that have ended, and wait to be collected.
func zombies() (list []zombie) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if s, err := statOf(pid); err == nil && s.state == 'Z' {
			list = append(list, zombie{pid, int(s.parent)})
		}
	}
	return list
}

// startTime is that of a process which still runs.
func startTime(pid int) (uint64, error) {
	s, err := statOf(pid)
	if s.gone() {
		return 0, os.ErrProcessDone
	}
	return s.start, err
}

// procStat is some of what proc_pid_stat(5) tells.
type procStat struct {
	state   byte
	parent  uint64 // ppid
	flags   uint64
	start   uint64 // starttime
	pending uint64 // signal, of the first thread: SIGKILL is every thread's
}

// exiting is the flag of a thread that ends: PF_EXITING of Linux' sched.h.
const exiting = 0x4

// gone says that its first thread is.
func (s procStat) gone() bool { return s.state == 'Z' || s.state == 'X' }

func statOf(pid int) (s procStat, err error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return s, os.ErrProcessDone
	}
	if err != nil {
		return s, err
	}
	// The command (field 2) may hold blanks and parentheses: count from the last ')'.
	i := bytes.LastIndexByte(text, ')')
	fields := bytes.Fields(text[i+1:])
	const first = 3 // the number of what is first in fields
	if i < 0 || len(fields) <= 31-first {
		return s, fmt.Errorf("cannot parse /proc/%d/stat", pid)
	}
	s.state = fields[0][0]
	for _, f := range [...]struct {
		number int
		value  *uint64
	}{{4, &s.parent}, {9, &s.flags}, {22, &s.start}, {31, &s.pending}} {
		if *f.value, err = strconv.ParseUint(string(fields[f.number-first]), 10, 64); err != nil {
			return s, fmt.Errorf("cannot parse /proc/%d/stat: %w", pid, err)
		}
	}
	return s, nil
}

// WriteProcess records a living process in a file, "PID STARTTIME" and what else is to be known of it, in one step.
func WriteProcess(path string, pid int, words ...string) error {
	p, err := Identify(pid)
	if err != nil {
		return err
	}
	temp := fmt.Sprintf("%s.%d", path, os.Getpid())
	line := strings.Join(append([]string{strconv.Itoa(p.Pid), strconv.FormatUint(p.StartTime, 10)}, words...), " ")
	if err := os.WriteFile(temp, []byte(line+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// RecordedProcess is the process that WriteProcess recorded, of this boot, living or not.
func RecordedProcess(path string) (p Process, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return p, err
	}
	if _, err := fmt.Sscanf(string(text), "%d %d", &p.Pid, &p.StartTime); err != nil {
		return p, fmt.Errorf("cannot understand %s: %w", path, err)
	}
	p.BootID, err = BootID()
	return p, err
}

// ReadProcess reads what WriteProcess recorded; ok is false when that process does not live.
func ReadProcess(path string) (pid int, ok bool) {
	p, err := RecordedProcess(path)
	return p.Pid, err == nil && p.Alive()
}

// HardLimits are the caller's, by what follows RLIMIT_ in lower case; those without bound are left out.
func HardLimits() map[string]uint64 {
	most := map[string]uint64{}
	for name, number := range map[string]int{
		"cpu": unix.RLIMIT_CPU, "fsize": unix.RLIMIT_FSIZE, "data": unix.RLIMIT_DATA, "stack": unix.RLIMIT_STACK, "core": unix.RLIMIT_CORE,
		"rss": unix.RLIMIT_RSS, "nproc": unix.RLIMIT_NPROC, "nofile": unix.RLIMIT_NOFILE, "memlock": unix.RLIMIT_MEMLOCK, "locks": unix.RLIMIT_LOCKS,
		"sigpending": unix.RLIMIT_SIGPENDING, "msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE, "rtprio": unix.RLIMIT_RTPRIO, "rttime": unix.RLIMIT_RTTIME,
	} {
		var limit unix.Rlimit
		if unix.Getrlimit(number, &limit) == nil && limit.Max != unix.RLIM_INFINITY {
			most[name] = limit.Max
		}
	}
	return most
}
