package sys

import (
	"errors"
	"os"
	"sync"
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
