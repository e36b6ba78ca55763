package sys

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Child is a process that this one started and is to wait for.
type Child struct {
	Pid   int
	Slack int // of SpawnLate
}

// Spawn starts a program. It is os.StartProcess without a pidfd, which Go tries out with two processes more before its
// first start. Files become descriptors from 0 on; nil ones are closed in the child.
func Spawn(exe string, argv []string, dir string, env []string, files []*os.File, attr *syscall.SysProcAttr) (*Child, error) {
	fds := make([]uintptr, len(files))
	for i, f := range files {
		fds[i] = ^uintptr(0)
		if f != nil {
			fds[i] = f.Fd()
		}
	}
	pid, _, err := syscall.StartProcess(exe, argv, &syscall.ProcAttr{Dir: dir, Env: env, Files: fds, Sys: attr})
	runtime.KeepAlive(files)
	if err != nil {
		return nil, &os.PathError{Op: "fork/exec", Path: exe, Err: err}
	}
	return &Child{Pid: pid}, nil
}

// Kill ends the process, which has not been waited for yet.
func (c *Child) Kill() error { return os.NewSyscallError("kill", syscall.Kill(c.Pid, syscall.SIGKILL)) }

// Wait waits for the end of the process and collects it.
func (c *Child) Wait() (syscall.WaitStatus, error) {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(c.Pid, &status, 0, nil)
		if err != syscall.EINTR {
			return status, os.NewSyscallError("wait4", err)
		}
	}
}

// SetThreadName is what ps(1) shows for the calling thread, and on a process's first one for the process: at most 15 bytes
// (prctl(2), PR_SET_NAME).
func SetThreadName(name string) error {
	var b [16]byte
	copy(b[:15], name)
	return os.NewSyscallError("prctl(PR_SET_NAME)", unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&b)), 0, 0, 0))
}

// SetArgument replaces the beginning of an argument of this process's command line, as ps(1) shows it, in the
// memory in which the kernel put it.
func SetArgument(i int, s string) {
	if i < len(os.Args) {
		copy(unsafe.Slice(unsafe.StringData(os.Args[i]), len(os.Args[i])), s)
	}
}
