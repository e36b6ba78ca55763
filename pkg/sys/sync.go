package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Sync makes files and directories durable (fsync(2)). The writing of all begins before the first is waited for
// (sync_file_range(2)): so the file system needs to commit its journal but once, and no thread waits but the caller's.
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
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Sync())
	}
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
