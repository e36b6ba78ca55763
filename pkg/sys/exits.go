package sys

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Exits waits for the end of any of some processes, without a thread: it is an epoll(7) instance, which Go's own waits for.
type Exits struct {
	epoll  *os.File
	pidfds []*os.File
}

// WatchExits watches the processes behind pidfds, which are its own from now on, also when it fails.
func WatchExits(pidfds ...*os.File) (*Exits, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.SetNonblock(fd, true) // that is how Go knows what it can wait for
	}
	if err != nil {
		closeAll(pidfds)
		return nil, fmt.Errorf("cannot watch processes: %w", err)
	}
	e := &Exits{os.NewFile(uintptr(fd), "epoll"), pidfds}
	for _, f := range pidfds {
		if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, int(f.Fd()), &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
			e.Close()
			return nil, fmt.Errorf("cannot watch a process: %w", err)
		}
	}
	return e, nil
}

// Wait waits until one has ended. An error says that Close was called.
func (e *Exits) Wait() error {
	raw, err := e.epoll.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		var event [1]unix.EpollEvent
		n, err := unix.EpollWait(int(fd), event[:], 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}

// Close ends Wait. Closing twice is harmless.
func (e *Exits) Close() {
	e.epoll.Close()
	closeAll(e.pidfds)
}

// closeAll closes what has nothing to lose.
func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
