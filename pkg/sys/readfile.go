package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// ReadFileAt reads a small file below a directory that is open, in three system calls: it is for lists of many. The
// content is in buf, or in a larger buffer where it does not fit; links are followed.
func ReadFileAt(dir *os.File, name string, buf []byte) ([]byte, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "openat", Path: dir.Name() + "/" + name, Err: err}
	}
	defer unix.Close(fd)
	for n := 0; ; {
		got, err := unix.Read(fd, buf[n:])
		switch {
		case err == unix.EINTR: //nolint:errorlint // what a system call returned
			continue
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: dir.Name() + "/" + name, Err: err}
		}
		n += got
		if n < len(buf) { // regular files are read as far as there is room, or whole
			return buf[:n], nil
		}
		buf = append(buf, make([]byte, len(buf)+4096)...)
	}
}
