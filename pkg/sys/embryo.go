package sys

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Embryo is a process that is there before it is known what it is to be. It has this process's memory and descriptors until it executes its program, so that it can be told at any time
// which system calls to make, and making it takes the kernel a tenth of what a program takes to start. It is the first one of a session, and does not survive the thread that conceived it.
type Embryo struct {
	Pid int
	// told and done count what it was told and has done, its own beginnings first; the process and this one wait for their changes (futex(2)).
	told, done atomic.Uint32
	// shares is 1, and 0 as soon as the process has other memory, or has ended: the kernel sees to that (CLONE_CHILD_CLEARTID).
	shares  atomic.Uint32
	birth   *Birth
	results int // of birth, as run returns them
	// procfs is a file system context (fsopen(2)) of a procfs of the process's PID namespace, or a negative error number.
	procfs int
	maker  *os.File // a pidfd of this process
	moved  *os.File // the same, once there is Descriptors
	stack  []byte

	// What the process hands to the kernel: nothing is allocated there.
	none     [16]uintptr // SIG_DFL without flags, and no signals
	name     [16]byte    // of the process, as SetThreadName
	watch    unix.PollFd // of maker
	now      unix.Timespec
	patience unix.Timespec
}

// stackOfEmbryo is what an Embryo has, in bytes: all that runs there are Birth.run and system calls.
const stackOfEmbryo = 16 << 10

// From Linux' futex.h.
const (
	futexWait    = 0
	futexWake    = 1
	futexPrivate = 128
)

// procName is for the kernel.
var procName = [...]byte{'p', 'r', 'o', 'c', 0}

// Conceive makes an Embryo in new namespaces, a child of the calling thread, which is locked to its goroutine. The process has a name (PR_SET_NAME) until it executes its program. Nobody may trace
// this process from then on, but who has CAP_SYS_PTRACE, until Forget: who gets at the Embryo, which gives privileges up before others can see it, gets at its memory. It is
// errors.ErrUnsupported on other processors than amd64, and for who may not get at the process, or change its root: real root may have fewer capabilities than all.
func Conceive(namespaces uintptr, name string) (*Embryo, error) {
	may, err := Permitted()
	if err != nil {
		return nil, err
	}
	const needed = 1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_SYS_CHROOT
	if !canConceive || may&needed != needed {
		return nil, errors.ErrUnsupported
	}
	if err := secret.keep(); err != nil {
		return nil, err
	}
	maker, err := OpenPidfd(os.Getpid())
	if err != nil {
		secret.letGo()
		return nil, err
	}
	e := &Embryo{procfs: -int(unix.ENOENT), maker: maker, stack: make([]byte, stackOfEmbryo)}
	e.watch = unix.PollFd{Fd: int32(maker.Fd()), Events: unix.POLLIN}
	e.patience.Sec = 1
	copy(e.name[:len(e.name)-1], name)
	e.shares.Store(1)
	e.told.Store(1)
	const flags = unix.CLONE_VM | unix.CLONE_FILES | unix.CLONE_CHILD_CLEARTID | uintptr(unix.SIGCHLD)
	// No handler could run in the process: until it has none any more, signals wait.
	all, before := ^uint64(0), uint64(0)
	const size = unsafe.Sizeof(all)
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&before)), size, 0, 0)
	pid := cloneEmbryo(namespaces|flags, unsafe.Pointer(&e.stack[len(e.stack)-1]), unsafe.Pointer(&e.shares), e)
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&before)), 0, size, 0, 0)
	if pid < 0 {
		secret.letGo()
		return nil, errors.Join(os.NewSyscallError("clone", syscall.Errno(-pid)), maker.Close())
	}
	e.Pid = pid
	return e, nil
}

// live is all that the process does. As in Birth.run, there is no more of Go than its own instructions.
//
//go:nosplit
//go:norace
func live(e *Embryo) {
	none := uintptr(unsafe.Pointer(&e.none))
	_, _, _ = unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0, 0)
	_, _, _ = unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(&e.name)), 0, 0, 0, 0)
	_, _, _ = unix.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
	for n := uintptr(1); n <= lastSignal; n++ {
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, n, none, 0, lastSignal/8, 0, 0)
	}
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, none, 0, lastSignal/8, 0, 0)
	fd, _, errno := unix.RawSyscall(unix.SYS_FSOPEN, uintptr(unsafe.Pointer(&procName)), unix.FSOPEN_CLOEXEC, 0)
	if e.procfs = int(fd); errno != 0 {
		e.procfs = -int(errno)
	}
	for told := uint32(1); ; told++ {
		e.done.Store(told)
		_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&e.done)), futexWake|futexPrivate, 1, 0, 0, 0)
		// Who conceived this one may have ended before the kernel was asked to kill this one then.
		for e.told.Load() == told {
			if gone, _, _ := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&e.watch)), 1, uintptr(unsafe.Pointer(&e.now)), 0, 0, 0); gone != 0 {
				end()
			}
			_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&e.told)), futexWait|futexPrivate, uintptr(told), uintptr(unsafe.Pointer(&e.patience)), 0, 0)
		}
		e.results = e.birth.run()
		if len(e.birth.files) > 0 {
			end()
		}
	}
}

// end ends a process in which there is no more of Go than its own instructions.
//
//go:nosplit
//go:norace
func end() {
	for {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0) // a filter may forbid it
		*(*byte)(nil) = 0
	}
}

// tell has the process go through a birth.
func (e *Embryo) tell(b *Birth) (told uint32, err error) {
	e.birth, e.results = b.expect(), 0
	told = e.told.Add(1)
	_, _, errno := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&e.told)), futexWake|futexPrivate, 1, 0, 0, 0)
	if errno != 0 {
		return told, os.NewSyscallError("futex", errno)
	}
	return told, nil
}

// Ended says whether the process has ended, or executes its program.
func (e *Embryo) Ended() bool { return e.shares.Load() == 0 }

// Begun waits until the process is what Conceive says. One that has ended is os.ErrProcessDone.
func (e *Embryo) Begun() error { return e.await(1) }

// Do has the process make system calls; it waits for more afterwards. One that has ended is os.ErrProcessDone.
func (e *Embryo) Do(b *Birth) error {
	told, err := e.tell(b)
	if err == nil {
		err = e.await(told)
	}
	if err == nil {
		_, err = b.failed(b.failure[:e.results])
	}
	return err
}

// await waits until the process has done what it was told.
func (e *Embryo) await(told uint32) error {
	for e.done.Load() != told {
		if e.Ended() {
			return os.ErrProcessDone
		}
		futex(&e.done, told-1, futexPrivate, 100*time.Millisecond) // the end wakes nobody here
	}
	return nil
}

// End kills the process, behind pidfd, and waits until it shares nothing any more.
func (e *Embryo) End(pidfd *os.File) {
	_ = unix.PidfdSendSignal(int(pidfd.Fd()), unix.SIGKILL, nil, 0) // it may have ended
	e.awaitEnd()
}

func (e *Embryo) awaitEnd() {
	for !e.Ended() {
		futex(&e.shares, 1, 0, time.Minute)
	}
}

// Bear is Unborn.Bear.
func (e *Embryo) Bear(b *Birth) ([]syscall.Errno, error) {
	first := &Birth{}
	givenBack(first)
	b.After(first)
	if _, err := e.tell(b); err != nil {
		return nil, err
	}
	e.awaitEnd()
	if e.results == 0 {
		return nil, nil
	}
	return b.failed(b.failure[:e.results])
}

// futex waits until somebody wakes who waits for a change of word from a value, or a time is over.
func futex(word *atomic.Uint32, value uint32, flags uintptr, timeout time.Duration) {
	limit := unix.NsecToTimespec(int64(timeout))
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait|flags, uintptr(value), uintptr(unsafe.Pointer(&limit)), 0, 0)
}

// Procfs makes a detached mount of a new procfs of the process's PID namespace, as NewMount does. It can be made once.
func (e *Embryo) Procfs(options []string, attr uint64) (*os.File, error) {
	if e.procfs < 0 {
		return nil, fmt.Errorf("cannot open the file system proc: %w", syscall.Errno(-e.procfs))
	}
	fd := e.procfs
	e.procfs = -int(unix.ENOENT)
	return newMount(os.NewFile(uintptr(fd), "proc"), "proc", options, attr)
}

// OpenIn is what OpenIn finds when the process looks: /proc/self is nobody to who is not in its PID namespace.
func (e *Embryo) OpenIn(root *os.File, path string, flags int, resolve uint64) (*os.File, error) {
	name, err := syscall.BytePtrFromString(path)
	if err != nil {
		return nil, err
	}
	return openIn(path, flags, resolve, func(how *unix.OpenHow) (int, error) {
		var fd uintptr
		data := [3]unsafe.Pointer{unsafe.Pointer(name), unsafe.Pointer(how)}
		open := birthCall{number: unix.SYS_OPENAT2, args: [5]uintptr{root.Fd(), uintptr(data[0]), uintptr(data[1]), unix.SizeofOpenHow}, data: data, result: &fd}
		b := &Birth{}
		b.add(open, func(err error) error { return err })
		err := e.Do(b)
		return int(fd), err
	})
}

// DieWithMaker is DieWithParent for an Embryo.
func (e *Embryo) DieWithMaker(b *Birth, gone error) {
	b.call("prctl(PR_SET_PDEATHSIG)", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
	poll := birthCall{number: unix.SYS_PPOLL, args: [5]uintptr{uintptr(unsafe.Pointer(&e.watch)), 1, uintptr(unsafe.Pointer(&e.now))}, nothing: true}
	b.add(poll, func(error) error { return gone })
}

// Descriptors is Birth.Descriptors, after which DieWithMaker still can be.
func (e *Embryo) Descriptors(b *Birth, files []*os.File) error {
	maker, err := MoveFrom(e.maker, len(files))
	if err != nil {
		return err
	}
	e.watch.Fd = int32(maker.Fd())
	e.moved = maker // the process may look at the other one just now
	b.Descriptors(files)
	return nil
}

// Forget lets go of what this process has of one that has ended or executes its program, and of nothing before.
func (e *Embryo) Forget() {
	secret.letGo()
	closeAll([]*os.File{e.maker, e.moved})
	if e.procfs >= 0 {
		_ = unix.Close(e.procfs)
	}
}

// secret is this process's memory while it is an Embryo's, too.
var secret secrecy

type secrecy struct {
	mu       sync.Mutex
	embryos  int
	dumpable int // what it was before: PR_GET_DUMPABLE
}

func (s *secrecy) keep() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.embryos == 0 {
		if s.dumpable, err = unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil {
			return os.NewSyscallError("prctl(PR_GET_DUMPABLE)", err)
		}
		if err := SetNonDumpable(); err != nil {
			return err
		}
	}
	s.embryos++
	return nil
}

func (s *secrecy) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.embryos--; s.embryos == 0 {
		_ = unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(s.dumpable&1), 0, 0, 0) // neither 0 nor 1 is refused
	}
}
