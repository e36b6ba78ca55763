package sys

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Sync makes files and directories durable (fsync(2)): all at once, so that the file system needs to commit
// its journal only once.
func Sync(paths ...string) error {
	errs := make([]error, len(paths))
	var wg sync.WaitGroup
	for i, path := range paths {
		wg.Go(func() { errs[i] = syncOne(path) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func syncOne(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// SyncFileSystem makes all durable that the file system of a directory has (syncfs(2)).
func SyncFileSystem(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd())))
}
