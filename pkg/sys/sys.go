// Package sys is the only user of golang.org/x/sys/unix: file descriptors, locks, mounts, processes
// and namespaces, each wrapped so that a descriptor always has O_CLOEXEC and an error names the call
// and its object.
package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Lock is a held flock(2). The kernel drops it when its last descriptor closes, however that happens.
type Lock struct{ file *os.File }

// LockFile opens (creating it, mode 0600) and locks a file, waiting for it. Shared locks exclude
// only exclusive ones.
func LockFile(path string, shared bool) (*Lock, error) {
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	return lockFile(path, how)
}

// TryLockFile is LockFile that does not wait: ok is false when somebody else holds it.
func TryLockFile(path string) (lock *Lock, ok bool, err error) {
	lock, err = lockFile(path, unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return nil, false, nil
	}
	return lock, err == nil, err
}

func lockFile(path string, how int) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return lockOpen(f, how)
}

// LockDir locks a directory itself, waiting for it: the lock goes along when it is renamed. Shared locks exclude only
// exclusive ones.
func LockDir(path string, shared bool) (*Lock, error) {
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	return lockDir(path, how)
}

// TryLockDir is LockDir that does not wait and that excludes everybody: ok is false when somebody else holds the lock.
func TryLockDir(path string) (lock *Lock, ok bool, err error) {
	lock, err = lockDir(path, unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return nil, false, nil
	}
	return lock, err == nil, err
}

func lockDir(path string, how int) (*Lock, error) {
	f, err := os.OpenFile(path, ODirectory, 0)
	if err != nil {
		return nil, err
	}
	return lockOpen(f, how)
}

// lockOpen locks an open file, which it closes where it cannot.
func lockOpen(f *os.File, how int) (*Lock, error) {
	var err error
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
	return nil, &os.PathError{Op: "flock", Path: f.Name(), Err: err}
}

// File is the locked file; a child that inherits it holds the lock too.
func (l *Lock) File() *os.File { return l.file }

// Unlock lets go. Unlocking twice is harmless.
func (l *Lock) Unlock() error { return l.file.Close() }
