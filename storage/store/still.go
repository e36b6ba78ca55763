package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/mosscontainers/moss/pkg/sys"
)

// still is a copy of a tree in which somebody writes, and who may be hostile, so nothing of it is found by a path twice. A tar cannot be made of the tree itself: it says how long a file is
// before the file is read, and logs grow.
type still struct {
	upper Upper
	to    string
	links map[inode]string // the copies of files with several names
}

type inode struct{ dev, ino uint64 }

// keepStill copies what a container is writing to; the copy is to be taken.
func (s *Store) keepStill(ctx context.Context, upper Upper) (Upper, error) {
	temp, err := s.TempDir()
	if err != nil {
		return upper, err
	}
	dir, err := os.MkdirTemp(temp, "still-")
	if err != nil {
		return upper, err
	}
	from, err := os.Open(upper.Dir)
	if err == nil {
		c := &still{upper: upper, to: filepath.Join(dir, "diff"), links: map[inode]string{}}
		err = errors.Join(tooLong(c.to, c.directory(ctx, from, "")), from.Close())
	}
	if err != nil {
		return upper, errors.Join(err, removeAll(dir))
	}
	upper.Dir, upper.Take, upper.Changing = filepath.Join(dir, "diff"), true, false
	return upper, nil
}

func (c *still) directory(ctx context.Context, from *os.File, path string) error {
	place := filepath.Join(c.to, path)
	if err := os.Mkdir(place, 0o700); err != nil {
		return err
	}
	to, err := os.Open(place)
	if err != nil {
		return err
	}
	defer to.Close()
	names, err := from.Readdirnames(-1)
	if err := unlessGone(err); err != nil { // which nothing can be listed of
		return err
	}
	for _, name := range names {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if slices.Contains(c.upper.Exclude, filepath.Join(path, name)) {
			continue
		}
		if err := c.entry(ctx, from, to, filepath.Join(path, name)); err != nil {
			return err
		}
	}
	return likeDir(fmt.Sprintf("/proc/self/fd/%d/.", from.Fd()), place)
}

// unlessGone is nil where what was listed is there no more, or is something else now.
func unlessGone(err error) error {
	for _, gone := range []error{syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP, syscall.EINVAL, syscall.ENXIO} { // which readlinkat(2) says of what is no link, and open(2) of a socket
		if errors.Is(err, gone) {
			return nil
		}
	}
	return err
}

func (c *still) entry(ctx context.Context, from, to *os.File, path string) error {
	name := filepath.Base(path)
	st, err := sys.StatAt(from, name)
	if err != nil {
		return unlessGone(err)
	}
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFSOCK:
		return nil
	case syscall.S_IFLNK:
		return unlessGone(sys.CopyLink(from, to, name, st))
	case syscall.S_IFDIR:
		dir, err := sys.OpenIn(from, name, os.O_RDONLY|sys.ODirectory|sys.ONoFollow, sys.NoLinks)
		if err != nil {
			return unlessGone(err)
		}
		defer dir.Close()
		return c.directory(ctx, dir, path)
	case syscall.S_IFREG:
		f, err := sys.OpenIn(from, name, os.O_RDONLY|sys.ONoFollow|sys.ONonblock, sys.NoLinks)
		if err != nil {
			return unlessGone(err)
		}
		defer f.Close()
		return c.file(ctx, f, path)
	}
	if err := sys.CopyNode(to, name, st); err != nil {
		return err
	}
	_, err = os.Lstat(filepath.Join(c.to, path)) // a whiteout that is left out would bring back what was deleted
	if err != nil {
		return fmt.Errorf("cannot copy /%s: this user may not make devices", path)
	}
	return nil
}

// file copies a file as long as it is when it was opened.
func (c *still) file(ctx context.Context, from *os.File, path string) (err error) {
	info, err := from.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err // it has become something else
	}
	st := info.Sys().(*syscall.Stat_t)
	place := filepath.Join(c.to, path)
	id := inode{st.Dev, st.Ino}
	if st.Nlink > 1 { // of others the number may have been that of another file before
		if first, ok := c.links[id]; ok {
			return os.Link(first, place)
		}
		c.links[id] = place
	}
	to, err := os.OpenFile(place, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if err := copyUpTo(ctx, to, from, info.Size()); err != nil {
		return err
	}
	return errors.Join(
		to.Chown(int(st.Uid), int(st.Gid)),
		sys.Fchmod(to, st.Mode&0o7777),
		sys.CopyXattrs(from, to),
		sys.SetTimes(to, st),
	)
}

// copyUpTo copies at most so many bytes; the kernel does it, and file systems that can share what is the same.
func copyUpTo(ctx context.Context, to, from *os.File, size int64) error {
	const piece = 64 << 20 // after which it may be given up
	for size > 0 {
		n, err := io.CopyN(to, from, min(size, piece))
		if errors.Is(err, io.EOF) {
			return nil // somebody has cut it off
		}
		if err = errors.Join(err, context.Cause(ctx)); err != nil {
			return err
		}
		size -= n
	}
	return nil
}
