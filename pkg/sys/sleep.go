package sys

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Nap says what ends a nap of this process, which executes another program for it, and what is open afterwards. What goes wrong is told by Begin.
type Nap struct {
	poll    *Poll
	signals *os.File
	kept    []int
	errs    []error
}

// everySignal is a set of all, of which the kernel leaves out those that cannot wait.
func everySignal() (set unix.Sigset_t) {
	for i := range set.Val {
		set.Val[i] = ^set.Val[i]
	}
	return set
}

// NewNap begins with nothing but signals.
func NewNap() (*Nap, error) {
	set := everySignal()
	fd, err := unix.Signalfd(-1, &set, unix.SFD_CLOEXEC|unix.SFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("signalfd", err)
	}
	n := &Nap{signals: os.NewFile(uintptr(fd), "signals")}
	if n.poll, err = NewPoll(); err != nil {
		return nil, errors.Join(err, n.signals.Close())
	}
	return n, nil
}

// Close undoes it all.
func (n *Nap) Close() {
	for _, fd := range n.kept {
		unix.CloseOnExec(fd)
	}
	closeAll([]*os.File{n.poll.file, n.signals})
}

// Keep keeps a file open, and says as which descriptor: -1 for nil.
func (n *Nap) Keep(f *os.File) (fd int) {
	if f == nil {
		return -1
	}
	err := control(f, "cannot keep "+f.Name(), func(number int) error {
		fd = number
		return KeepOnExec(number)
	})
	n.kept, n.errs = append(n.kept, fd), append(n.errs, err)
	return fd
}

// Watch is Keep of what ends the nap when it can be read from.
func (n *Nap) Watch(f *os.File) (fd int) {
	if fd = n.Keep(f); fd >= 0 {
		n.errs = append(n.errs, n.poll.Watch(fd, 0, false, true, false))
	}
	return fd
}

// Begin executes a program, on the first thread. watch is a descriptor that can be read from when the nap is to end, an epoll; signals is a signalfd(2), of all
// signals, which are blocked. It only returns with an error.
func (n *Nap) Begin(program *os.File, args []string, environment func(watch, signals int) []string) error {
	watch, signals := n.Keep(n.poll.file), n.Keep(n.signals)
	if err := errors.Join(n.errs...); err != nil {
		return err
	}
	set, before := everySignal(), unix.Sigset_t{}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &set, &before); err != nil {
		return os.NewSyscallError("sigprocmask", err)
	}
	err := syscall.Exec("/proc/self/fd/"+strconv.Itoa(int(program.Fd())), args, environment(watch, signals))
	maskErr := unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	return fmt.Errorf("cannot execute %s: %w", program.Name(), errors.Join(err, maskErr))
}

// IsFirstThread says whether the calling thread is the one that stays when the process executes a program.
func IsFirstThread() bool { return unix.Gettid() == unix.Getpid() }
