package sys

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxSmall bounds what we take for a small file of our own: what a disk or somebody made of it is not to take all memory.
const maxSmall = 64 << 20

// ReadSmall is os.ReadFile of such a file.
func ReadSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err == nil && len(data) > maxSmall {
		err = tooLarge(path)
	}
	return data, err
}

func tooLarge(path string) error {
	return fmt.Errorf("%s is larger than %d bytes", path, maxSmall)
}

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
		if n > maxSmall {
			return nil, tooLarge(dir.Name() + "/" + name)
		}
		buf = append(buf, make([]byte, len(buf)+4096)...)
	}
}
