package sys

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Birth is how a process ends up as a program: system calls that it makes one after the other, and then execve(2). They are told
// beforehand, because no Go can run in a process that clone(2) has just made: nothing may allocate there, let a stack grow, or wait for
// another thread. The zero value is one without system calls.
type Birth struct {
	calls   []birthCall
	explain []func(error) error // what the failure of each call means
	files   []*byte             // what to execute, the first that can be
	argv    []*byte
	envp    []*byte
	ownID   *byte   // where in envp the process's id goes, nil for nowhere
	failure []int32 // the call that failed, or -1, and then its error number, or those of the files
}

type birthCall struct {
	number  uintptr
	args    [5]uintptr
	data    [3]unsafe.Pointer // what args point to
	want    syscall.Errno     // what the call returns when all is well
	also    [2]syscall.Errno  // errors that it may return as well
	nothing bool              // it is to return 0
	result  *uintptr          // where what it returns goes, nil for nowhere
}

func (b *Birth) add(call birthCall, explain func(error) error) {
	b.calls, b.explain = append(b.calls, call), append(b.explain, explain)
}

func named(name string) func(error) error {
	return func(err error) error { return os.NewSyscallError(name, err) }
}

// idRoom is as many digits as the id of a process has at most (pid_max is 2²²), and the end of a string.
const idRoom = 8

// Program says what is executed: the first of files that can be. The value of the variable ownID, where env has it, becomes the id of the
// process, as it sees it itself.
func (b *Birth) Program(files, argv, env []string, ownID string) (err error) {
	if b.files, err = syscall.SlicePtrFromStrings(files); err != nil {
		return err
	}
	if b.argv, err = syscall.SlicePtrFromStrings(argv); err != nil {
		return err
	}
	if b.envp, err = syscall.SlicePtrFromStrings(env); err != nil {
		return err
	}
	for i, e := range env {
		if strings.HasPrefix(e, ownID+"=") {
			room := make([]byte, len(ownID)+1+idRoom)
			copy(room, ownID+"=")
			b.envp[i], b.ownID = &room[0], &room[len(ownID)+1]
		}
	}
	return nil
}

// ProgramFile is Program of an open file.
func (b *Birth) ProgramFile(f *os.File, argv, env []string, ownID string) error {
	if err := b.Program([]string{""}, argv, env, ownID); err != nil {
		return err
	}
	empty, args, envs := unsafe.Pointer(b.files[0]), unsafe.Pointer(&b.argv[0]), unsafe.Pointer(&b.envp[0])
	b.add(birthCall{
		number: unix.SYS_EXECVEAT, args: [5]uintptr{f.Fd(), uintptr(empty), uintptr(args), uintptr(envs), unix.AT_EMPTY_PATH},
		data: [3]unsafe.Pointer{empty, args, envs},
	}, named("execveat"))
	return nil
}

// Exec does everything in the calling thread, which becomes the process. It returns only when that failed: with an error, or with
// the error numbers of the files in their order, as far as they were tried.
func (b *Birth) Exec() ([]syscall.Errno, error) {
	n := b.ready().run()
	return b.failed(b.failure[:n])
}

// ready makes what run must not.
func (b *Birth) ready() *Birth {
	// Go's runtime has raised the soft limit of open files for itself. Only its own Exec gives it back, before it fails on this.
	_ = syscall.Exec("", nil, nil)
	return b.expect()
}

// expect makes room for what can become of it.
func (b *Birth) expect() *Birth {
	b.failure = make([]int32, 2+len(b.files))
	return b
}

// Do makes the system calls in the calling thread. There is no program.
func (b *Birth) Do() error {
	_, err := b.failed(b.expect().failure[:b.run()])
	return err
}

// After has the calls of another, which has no program, made before its own.
func (b *Birth) After(first *Birth) {
	b.calls, b.explain = append(first.calls, b.calls...), append(first.explain, b.explain...)
}

// run returns how many of b.failure it has set. It runs in a process in which there is no more of Go than its own instructions.
//
//go:nosplit
//go:norace
func (b *Birth) run() int {
	if b.ownID != nil {
		id, _, _ := unix.RawSyscall(unix.SYS_GETPID, 0, 0, 0)
		digits := 1
		for n := id; n >= 10; n /= 10 {
			digits++
		}
		for i := digits - 1; i >= 0; i-- {
			*(*byte)(unsafe.Add(unsafe.Pointer(b.ownID), i)) = '0' + byte(id%10)
			id /= 10
		}
	}
	for i := range b.calls {
		c := &b.calls[i]
		r, _, e := unix.RawSyscall6(c.number, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], 0)
		if e != c.want && (e == 0 || e != c.also[0] && e != c.also[1]) || c.nothing && r != 0 {
			b.failure[0], b.failure[1] = int32(i), int32(e)
			return 2
		}
		if c.result != nil {
			*c.result = r
		}
	}
	b.failure[0] = -1
	if len(b.files) == 0 {
		return 1
	}
	for i, file := range b.files[:len(b.files)-1] {
		_, _, e := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(file)), uintptr(unsafe.Pointer(&b.argv[0])), uintptr(unsafe.Pointer(&b.envp[0])))
		b.failure[1+i] = int32(e)
		if e != unix.ENOENT && e != unix.ENOTDIR && e != unix.EACCES {
			return 2 + i
		}
	}
	return len(b.files)
}

// failed reads what run has left.
func (b *Birth) failed(failure []int32) ([]syscall.Errno, error) {
	if call := failure[0]; call >= 0 && int(call) < len(b.explain) && len(failure) > 1 {
		return nil, b.explain[call](syscall.Errno(failure[1]))
	}
	errnos := make([]syscall.Errno, len(failure)-1)
	for i := range errnos {
		errnos[i] = syscall.Errno(failure[1+i])
	}
	return errnos, nil
}

// Unborn is a process that waits to be Born.
type Unborn struct {
	// Pid is its id as the process that made it sees it.
	Pid    int
	birth  *Birth
	word   *os.File
	result *os.File
	theirs []*os.File // the ends of both that the process has
}

// Fork makes the process a brother of this one: a child of its parent (CLONE_PARENT), in the PID namespace that the calling thread's children get. It
// waits for Bear, and ends when this process does; dies says that it ends with the thread that cloned this one, too, from now on: see DieWithParent, which is for Exec. Signals
// must do what they usually do before (DefaultSignals): no handler could run there.
//
// The process gets this one's descriptors below first, and no more: whoever gets at others, a socket above all, would get at who has the other end (SO_PEERPIDFD, pidfd_getfd(2)),
// and at this process through the runtime's epoll. So the calling thread, which stays locked to its goroutine, has a table of its own from here on, without them. What
// needs descriptors is for other threads: Elsewhere.
func (b *Birth) Fork(first int, dies bool) (*Unborn, error) {
	wordEnd, word, err := pipe()
	if err != nil {
		return nil, err
	}
	result, resultEnd, err := pipe()
	if err != nil {
		return nil, errors.Join(err, wordEnd.Close(), word.Close())
	}
	b.ready()
	u := &Unborn{birth: b, word: word, result: result, theirs: []*os.File{wordEnd, resultEnd}}
	if err = ownDescriptors(first, int(wordEnd.Fd()), int(resultEnd.Fd())); err == nil {
		pid, e := b.fork(wordEnd.Fd(), resultEnd.Fd(), dies)
		runtime.KeepAlive(b)
		if u.Pid = pid; e != 0 {
			err = os.NewSyscallError("clone", e)
		}
		err = errors.Join(err, CloseFrom(3)) // or ends of pipes would not be seen
	}
	err = errors.Join(err, Elsewhere(func() error { return u.begun(err == nil && dies) }))
	if err != nil {
		return nil, err
	}
	return u, nil
}

// ownDescriptors gives the calling thread a table of descriptors of its own, with those below first and two more.
func ownDescriptors(first, one, other int) error {
	if err := unix.Unshare(unix.CLONE_FILES); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	from := uint(first)
	for _, kept := range []int{min(one, other), max(one, other)} {
		if kept := uint(kept); kept > from {
			if err := unix.CloseRange(from, kept-1, 0); err != nil {
				return os.NewSyscallError("close_range", err)
			}
		}
		from = uint(kept) + 1
	}
	return CloseFrom(from)
}

// begun lets go of what is the process's, and waits, if wanted, until that dies with its parent.
func (u *Unborn) begun(wait bool) error {
	for _, f := range u.theirs {
		f.Close()
	}
	if !wait {
		return nil
	}
	var said [1]byte
	if _, err := io.ReadFull(u.result, said[:]); err != nil {
		return fmt.Errorf("cannot wait for a process that is to be born: %w", err)
	}
	return nil
}

// Elsewhere has another thread do something, for one that has no descriptors any more.
func Elsewhere(do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	return <-done
}

// pipe is one both ends of which block: the runtime's epoll is out of the reach of the thread that forks.
func pipe() (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	return os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe"), nil
}

// fork is run in another process, and returns in this one.
//
//go:nosplit
//go:norace
func (b *Birth) fork(wordEnd, resultEnd uintptr, dies bool) (int, syscall.Errno) {
	const flags = unix.CLONE_PARENT | uintptr(unix.SIGCHLD)
	pid, _, e := unix.RawSyscall6(unix.SYS_CLONE, flags, 0, 0, 0, 0, 0)
	if e != 0 {
		return 0, e
	}
	if pid != 0 {
		return int(pid), 0
	}
	first := uintptr(unsafe.Pointer(&b.failure[0]))
	if dies { // before anybody lets it go on: then the parent has not ended yet
		_, _, _ = unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0, 0)
		_, _, _ = unix.RawSyscall(unix.SYS_WRITE, resultEnd, first, 1)
	}
	for {
		n, _, e := unix.RawSyscall(unix.SYS_READ, wordEnd, first, 1)
		if e == unix.EINTR {
			continue
		}
		if e == 0 && n == 1 {
			n := b.run()
			_, _, _ = unix.RawSyscall(unix.SYS_WRITE, resultEnd, first, uintptr(n)*unsafe.Sizeof(b.failure[0]))
		}
		for {
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0) // a filter may forbid it
			*(*byte)(nil) = 0
		}
	}
}

// EndsBefore waits until there is something to be had from f, or the process has ended, which it says.
func (u *Unborn) EndsBefore(f *os.File) (ended bool, err error) {
	err = control(f, "cannot wait for a process that is to be born", func(fd int) error {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(u.result.Fd()), Events: unix.POLLIN}}
		for {
			_, err := unix.Poll(fds, -1)
			if err == unix.EINTR {
				continue
			}
			ended = fds[1].Revents != 0 // its end of the pipe is closed
			return err
		}
	})
	return ended, err
}

// Bear lets the process go on, and returns like Exec; with neither numbers nor an error when it executes its program, or was killed before it could.
func (u *Unborn) Bear() ([]syscall.Errno, error) {
	defer u.word.Close()
	defer u.result.Close()
	if _, err := u.word.Write([]byte{1}); err != nil && !errors.Is(err, syscall.EPIPE) {
		return nil, err
	}
	most := len(u.birth.failure) * int(unsafe.Sizeof(u.birth.failure[0]))
	b, err := io.ReadAll(io.LimitReader(u.result, int64(most))) // somebody may have taken it over
	if err != nil || len(b) == 0 {
		return nil, err
	}
	failure := make([]int32, len(b)/4)
	if _, err := binary.Decode(b, binary.NativeEndian, failure); err != nil || len(failure) == 0 {
		return nil, fmt.Errorf("cannot understand a process that was to be born: %w", err)
	}
	return u.birth.failed(failure)
}
