package sys

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Sync makes files and directories durable (fsync(2)). The writing of all begins before the first is waited for
// (sync_file_range(2)), and all are waited for side by side: so a file system with a journal commits it but once, and one without waits for
// the disk once and not for each.
func Sync(paths ...string) error {
	files := make([]*os.File, 0, len(paths))
	defer func() {
		for _, f := range files {
			f.Close() // it was only read
		}
	}()
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		files = append(files, f)
		_ = unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE) // a directory has none, and fsync tells of errors
	}
	errs := make([]error, len(files))
	var all sync.WaitGroup
	for i, f := range files {
		all.Go(func() { errs[i] = f.Sync() })
	}
	all.Wait()
	return errors.Join(errs...)
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
