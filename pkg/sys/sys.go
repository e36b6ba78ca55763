// Package sys is the only user of golang.org/x/sys/unix: file descriptors, locks, mounts, processes
// and namespaces, each wrapped so that a descriptor always has O_CLOEXEC and an error names the call
// and its object.
package sys

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Lock is a held flock(2). The kernel drops it when its last descriptor closes, however that happens.
type Lock struct{ file *os.File }

// LockFile opens (creating it, mode 0600) and locks a file, waiting for it. Shared locks exclude
// only exclusive ones.
func LockFile(path string, shared bool) (*Lock, error) { return wait(path, lockFile, shared) }

// TryLockFile is LockFile, for an exclusive lock, that does not wait: ok is false when somebody else holds it.
func TryLockFile(path string) (lock *Lock, ok bool, err error) { return try(path, lockFile) }

// AwaitLockFile is LockFile for a lock that somebody may have for long: it gives up when ctx ends. No call of the kernel waits for
// both, so it asks again after a pause.
func AwaitLockFile(ctx context.Context, path string, shared bool) (*Lock, error) {
	return await(ctx, path, lockFile, shared)
}

func await(ctx context.Context, path string, flags int, shared bool) (*Lock, error) {
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		lock, err := flock(path, flags, how|unix.LOCK_NB)
		if err != unix.EWOULDBLOCK {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// How long await waits before it asks again: most often somebody is just letting go, and else it is little beside what such locks are held for.
const (
	shortestPause = 100 * time.Microsecond
	longestPause  = 20 * time.Millisecond
)

// LockDir is LockFile for a directory itself, which must be there: the lock goes along when it is renamed.
func LockDir(path string, shared bool) (*Lock, error) { return wait(path, ODirectory, shared) }

// AwaitLockDir is AwaitLockFile for a directory itself.
func AwaitLockDir(ctx context.Context, path string, shared bool) (*Lock, error) {
	return await(ctx, path, ODirectory, shared)
}

// TryLockDir is TryLockFile for a directory itself.
func TryLockDir(path string) (lock *Lock, ok bool, err error) { return try(path, ODirectory) }

// LockHeld says whether somebody has the exclusive lock of a file just now. It neither waits nor needs to be able to write.
func LockHeld(path string) (bool, error) {
	lock, err := flock(path, os.O_RDONLY, unix.LOCK_SH|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, lock.Unlock()
}

// lockFile is how a file is opened to be locked.
const lockFile = os.O_RDWR | os.O_CREATE

func wait(path string, flags int, shared bool) (*Lock, error) {
	if shared {
		return flock(path, flags, unix.LOCK_SH)
	}
	return flock(path, flags, unix.LOCK_EX)
}

func try(path string, flags int) (lock *Lock, ok bool, err error) {
	lock, err = flock(path, flags, unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return nil, false, nil
	}
	return lock, err == nil, err
}

func flock(path string, flags, how int) (*Lock, error) {
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, unix.EROFS) { // what is locked may need no writing, as signals
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if err != unix.EINTR {
			break
		}
	}
	if err == nil {
		return &Lock{f}, nil
	}
	f.Close()
	if err == unix.EWOULDBLOCK {
		return nil, err
	}
	return nil, &os.PathError{Op: "flock", Path: path, Err: err}
}

// File is the locked file; a child that inherits it holds the lock too.
func (l *Lock) File() *os.File { return l.file }

// Unlock lets go. Unlocking twice is harmless.
func (l *Lock) Unlock() error { return l.file.Close() }
