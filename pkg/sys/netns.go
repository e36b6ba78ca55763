package sys

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// OnThread runs fn on a thread of its own, which is thrown away afterwards: fn may move it into other
// namespaces, and it stays there for as long as fn runs.
func OnThread(fn func() error) error {
	done := make(chan error, 1)
	GoApart(func() { done <- fn() })
	return <-done
}

// GoApart begins to run fn on a thread of its own, as OnThread does. That is never the process's first: it does not end before the process does, keeps what it has
// got into, and shows others where the process is (/proc/PID/ns).
func GoApart(fn func()) { go apart(fn, make(chan struct{})) }

func apart(fn func(), begun chan<- struct{}) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		elsewhere := make(chan struct{})
		go apart(fn, elsewhere)
		<-elsewhere
		close(begun)
		runtime.UnlockOSThread()
		return
	}
	close(begun) // and never unlocked: the thread ends with the goroutine
	fn()
}

// InNetNS runs fn in a network namespace and comes back. Sockets that fn opens belong to that namespace
// for good.
func InNetNS(ns *os.File, fn func() error) error {
	return OnThread(func() error {
		if err := Setns(ns, CloneNet); err != nil {
			return err
		}
		return fn()
	})
}

// UnshareNet moves the calling thread into a new network namespace and returns it. Call it on a thread
// of OnThread only.
func UnshareNet() (*os.File, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("cannot make a network namespace: %w", err)
	}
	return os.Open("/proc/thread-self/ns/net")
}

// SetFreebind lets a socket bind an address that no interface has, or has ready, yet (IP_FREEBIND, ip(7)). It does for
// IPv6 as well.
func SetFreebind(fd uintptr) error {
	return os.NewSyscallError("setsockopt IP_FREEBIND", unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1))
}

// Rights is the control message that passes a descriptor over a unix socket (SCM_RIGHTS, unix(7)).
func Rights(fd uintptr) []byte { return unix.UnixRights(int(fd)) }

// MakeFIFO makes a named pipe, mode 0600; one that exists already is fine.
func MakeFIFO(path string) error {
	err := unix.Mkfifo(path, 0o600)
	if err == nil || errors.Is(err, unix.EEXIST) {
		return nil
	}
	return &os.PathError{Op: "mkfifo", Path: path, Err: err}
}

// OpenPipeReader opens a pipe for reading without waiting for a writer.
func OpenPipeReader(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Inode is the inode number of an open file; for a namespace it is the namespace's number.
func Inode(f *os.File) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return st.Ino, nil
}
