//go:build !moss_front

package cli

import (
	"errors"
	"io/fs"
	"os"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// resultFile is where a flag wants something told, once it is done.
type resultFile struct{ flag, path string }

// canWrite finds out whether the files can be written, before anything is done that would be told in them. It leaves them as they are. Pipes
// are not opened: who reads them would see their end.
func canWrite(files ...resultFile) error {
	for _, f := range files {
		if f.path == "" {
			continue
		}
		if err := writable(f.path); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot write --%s: %w", f.flag, err)
		}
	}
	return nil
}

func writable(path string) error {
	info, err := os.Stat(path)
	flags := os.O_WRONLY
	switch {
	case errors.Is(err, fs.ErrNotExist):
		flags |= os.O_CREATE | os.O_EXCL
	case err == nil && !info.IsDir() && !info.Mode().IsRegular():
		return nil
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil // a link to what is not there
	}
	if err != nil {
		return err
	}
	err = f.Close()
	if flags&os.O_EXCL != 0 {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
