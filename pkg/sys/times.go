package sys

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// ClampTimes sets the times of everything in a directory of ours that has changed since to when.
func ClampTimes(dir string, when time.Time) error {
	limit, err := unix.TimeToTimespec(when)
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || !info.ModTime().After(when) {
			return err
		}
		err = unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{limit, limit}, unix.AT_SYMLINK_NOFOLLOW)
		if err != nil {
			return &os.PathError{Op: "utimensat", Path: path, Err: err}
		}
		return nil
	})
}
