package sys

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Watch reports changes of the files in one directory (inotify(7)).
type Watch struct{ file *os.File }

// WatchDir watches dir for files that are written, made or renamed in it.
func WatchDir(dir string) (*Watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("cannot watch %s: %w (see fs.inotify.max_user_instances)", dir, err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot watch %s: %w", dir, err), f.Close())
	}
	return &Watch{f}, nil
}

// Next waits for a change; os.ErrClosed after Close. Changes since the last call count as one.
func (w *Watch) Next() error {
	var buf [4096]byte
	_, err := w.file.Read(buf[:])
	return err
}

// Close ends the watch and every Next.
func (w *Watch) Close() error { return w.file.Close() }
