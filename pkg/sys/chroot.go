package sys

import (
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// RootThreads are threads that each have a root directory of their own. They serve one function after the other, as many as there are at a
// time. The zero value has none yet. Close it.
type RootThreads struct {
	mu   sync.Mutex
	idle []chan rootJob
	all  sync.WaitGroup
}

type rootJob struct {
	dir  *os.File
	do   func() error
	done chan<- error
}

// Run runs do on a thread whose root directory is dir: no path that it uses, through whatever links, leads
// out of there. Goroutines that it starts are not on that thread.
func (t *RootThreads) Run(dir *os.File, do func() error) error {
	thread, done := t.take(), make(chan error, 1)
	thread <- rootJob{dir, do, done}
	err := <-done
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = append(t.idle, thread)
	return err
}

func (t *RootThreads) take() chan rootJob {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last := len(t.idle) - 1; last >= 0 {
		thread := t.idle[last]
		t.idle = t.idle[:last]
		return thread
	}
	thread := make(chan rootJob)
	t.all.Go(func() { serveRoots(thread) })
	return thread
}

func serveRoots(jobs <-chan rootJob) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	unshared := os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_FS))
	for job := range jobs {
		err := unshared
		if err == nil {
			err = enterRoot(job.dir)
		}
		if err != nil {
			err = fmt.Errorf("cannot confine a thread to %s: %w", job.dir.Name(), err)
		} else {
			err = job.do()
		}
		job.done <- err
	}
}

// enterRoot also leads out of the root directory before, since the new one is named by its descriptor.
func enterRoot(dir *os.File) error {
	if err := unix.Fchdir(dirfd(dir)); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	return os.NewSyscallError("chroot", unix.Chroot("."))
}

// Close ends the threads. Nothing may run on them any more.
func (t *RootThreads) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, thread := range t.idle {
		close(thread)
	}
	t.idle = nil
	t.all.Wait()
}
