package sys

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Watch reports changes of the files in some directories (inotify(7)).
type Watch struct {
	file *os.File
	mask uint32
}

// WatchDir watches dir for files that are written, made or renamed in it.
func WatchDir(dir string) (*Watch, error) {
	return watch(dir, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO)
}

// WatchNames watches dir for names that come and go in it.
func WatchNames(dir string) (*Watch, error) {
	return watch(dir, unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_MOVED_FROM|unix.IN_DELETE)
}

func watch(dir string, mask uint32) (*Watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("cannot watch %s: %w (see fs.inotify.max_user_instances)", dir, err)
	}
	w := &Watch{os.NewFile(uintptr(fd), "inotify"), mask}
	if err := w.Add(dir); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Add watches one more directory; one that is watched already stays so. A watch of a directory ends with it.
func (w *Watch) Add(dir string) error {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) { _, err = unix.InotifyAddWatch(int(fd), dir, w.mask|unix.IN_ONLYDIR) })
	if err = errors.Join(controlErr, err); err != nil {
		return fmt.Errorf("cannot watch %s: %w (see fs.inotify.max_user_watches)", dir, err)
	}
	return nil
}

// Next waits for a change; os.ErrClosed after Close. Changes since the last call count as one.
func (w *Watch) Next() error {
	var buf [4096]byte
	_, err := w.file.Read(buf[:])
	return err
}

// Close ends the watch and every Next.
func (w *Watch) Close() error { return w.file.Close() }
