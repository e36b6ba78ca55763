package sys

import (
	"errors"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	mostOpen  = 64   // directories of a tree that is removed, at a time
	namesHeld = 1024 // of one directory
)

// RemoveAll removes a path and all that is below it, as os.RemoveAll does. That takes a descriptor and some memory for each level, of which a
// container can make hundreds of thousands; this takes them for mostOpen: what is deeper is moved up.
func RemoveAll(path string) error {
	err := os.Remove(path)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	top, openErr := os.OpenFile(path, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	switch {
	case errors.Is(openErr, os.ErrNotExist):
		return nil
	case errors.Is(openErr, unix.ENOTDIR):
		return err
	case openErr != nil:
		return openErr
	}
	r := removal{top: top}
	why := errors.Join(r.empty(top, 0), top.Close())
	return because(why, os.Remove(path))
}

// because is the result of removing a directory that was emptied: why it could not be, where it was not.
func because(why, result error) error {
	if result == nil || errors.Is(result, os.ErrNotExist) {
		return nil
	}
	if why != nil {
		return why
	}
	return result
}

// removal is of what is below one directory.
type removal struct {
	top   *os.File
	moved int // directories, to top
}

// empty removes what is in a directory, for as long as there is anything that can be removed. The error is the first one.
func (r *removal) empty(dir *os.File, depth int) (first error) {
	for {
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return errors.Join(first, err)
		}
		names, err := dir.Readdirnames(namesHeld)
		if len(names) == 0 && err != io.EOF {
			return errors.Join(first, err)
		}
		kept := 0
		for _, name := range names {
			if err := r.remove(dir, name, depth); err != nil {
				kept++
				if first == nil {
					first = err
				}
			}
		}
		if kept == len(names) {
			return first
		}
	}
}

func (r *removal) remove(dir *os.File, name string, depth int) error {
	err := removeAt(dir, name, 0)
	if !errors.Is(err, unix.EISDIR) {
		return err
	}
	if err = removeAt(dir, name, unix.AT_REMOVEDIR); !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return err
	}
	if depth == mostOpen {
		return r.moveUp(dir, name)
	}
	fd, err := unix.Openat(dirfd(dir), name, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: nameAt(dir, name), Err: err}
	}
	sub := os.NewFile(uintptr(fd), nameAt(dir, name))
	why := errors.Join(r.empty(sub, depth+1), sub.Close())
	return because(why, removeAt(dir, name, unix.AT_REMOVEDIR))
}

// removeAt removes one entry. That it is not there is no error.
func removeAt(dir *os.File, name string, flags int) error {
	for {
		switch err := unix.Unlinkat(dirfd(dir), name, flags); err {
		case nil, unix.ENOENT:
			return nil
		case unix.EINTR:
		default:
			return &os.PathError{Op: "remove", Path: nameAt(dir, name), Err: err}
		}
	}
}

// moveUp makes a directory one of top's, where it is removed after all others.
func (r *removal) moveUp(dir *os.File, name string) error {
	for {
		r.moved++
		err := unix.Renameat(dirfd(dir), name, dirfd(r.top), "deep-"+strconv.Itoa(r.moved))
		switch err {
		case nil, unix.ENOENT:
			return nil
		case unix.EEXIST, unix.ENOTEMPTY, unix.ENOTDIR, unix.EINTR: // something else is called so
		default:
			return &os.PathError{Op: "rename", Path: nameAt(dir, name), Err: err}
		}
	}
}
