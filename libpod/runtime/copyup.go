package runtime

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/mosscontainers/moss/pkg/sys"
)

// copyUp fills an empty volume with what the image has at its target. Both sides are walked by
// descriptors, so that links in either of them lead nowhere else.
func (r *rootfs) copyUp(c CopyUp) error {
	from, err := sys.OpenIn(r.root, c.Target, os.O_RDONLY|sys.ODirectory, sys.FollowInRoot)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR) {
		return nil // nothing there to copy
	}
	if err != nil {
		return fmt.Errorf("cannot fill the volume %s: %w", c.Volume, err)
	}
	defer from.Close()
	to, err := os.OpenFile(c.Volume, os.O_RDONLY|sys.ODirectory, 0) // a link of the user's may lead to it, none of a container's can
	if err != nil {
		return fmt.Errorf("cannot fill the volume %s: %w", c.Volume, err)
	}
	defer to.Close()
	if err := c.fill(from, to); err != nil {
		return fmt.Errorf("cannot fill the volume %s: %w", c.Volume, err)
	}
	return nil
}

// fill copies from into a volume that is empty, once: whoever comes meanwhile waits, and goes on where somebody was killed.
func (c CopyUp) fill(from, to *os.File) error {
	for {
		filled, err := hasEntries(to)
		if err != nil {
			return err
		}
		if _, err := os.Lstat(c.Filling); filled && errors.Is(err, os.ErrNotExist) { // in this order: it is there before the first entry
			return nil
		}
		lock, err := sys.LockFile(c.Filling, false)
		if err != nil {
			return err
		}
		if isAt(lock.File(), c.Filling) {
			return errors.Join(c.fillLocked(from, to, lock.File()), lock.Unlock())
		}
		if err := lock.Unlock(); err != nil { // of somebody who is done
			return err
		}
	}
}

// fillLocked is fill for who has the file c.Filling, which is not empty once somebody has begun.
func (c CopyUp) fillLocked(from, to, filling *os.File) error {
	info, err := filling.Stat()
	if err != nil {
		return err
	}
	begun := info.Size() > 0
	filled, err := hasEntries(to)
	if err != nil {
		return err
	}
	if begun || !filled {
		if _, err := filling.WriteString("begun"); err != nil {
			return err
		}
		if err := copyTree(from, to, begun); err != nil {
			return err
		}
	}
	return os.Remove(c.Filling)
}

func hasEntries(dir *os.File) (bool, error) {
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	_, err := dir.ReadDir(1)
	if err == io.EOF {
		return false, nil
	}
	return err == nil, err
}

// isAt says whether an open file still is what a path names.
func isAt(f *os.File, path string) bool {
	there, err := os.Lstat(path)
	if err != nil {
		return false
	}
	open, err := f.Stat()
	return err == nil && os.SameFile(open, there)
}

// fileID names an inode, to make hard links again.
type fileID struct{ dev, ino uint64 }

// treeCopy copies one tree. links are the first copies of files with several names, as open descriptors.
type treeCopy struct {
	links map[fileID]*os.File
	again bool // somebody was killed who did the same
}

// copyTree copies what is in the directory from into the directory to, and from's own attributes: owner, mode,
// times, extended attributes, links, devices where they may be made. again replaces what is there.
func copyTree(from, to *os.File, again bool) error {
	c := &treeCopy{links: map[fileID]*os.File{}, again: again}
	defer func() {
		for _, f := range c.links {
			f.Close()
		}
	}()
	return c.directory(from, to)
}

func (c *treeCopy) directory(from, to *os.File) error {
	entries, err := from.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := c.entry(from, to, e.Name()); err != nil {
			return err
		}
	}
	return copyAttributes(from, to)
}

func (c *treeCopy) entry(from, to *os.File, name string) error {
	st, err := sys.StatAt(from, name)
	if err != nil {
		return err
	}
	if c.again && st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		if err := sys.UnlinkAt(to, name); err != nil && !errors.Is(err, syscall.ENOENT) {
			return err
		}
	}
	id := fileID{st.Dev, st.Ino}
	if first := c.links[id]; first != nil {
		return sys.LinkAt(first, to, name)
	}
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		return c.subdirectory(from, to, name)
	case syscall.S_IFREG:
		return c.regular(from, to, name, st, id)
	case syscall.S_IFLNK:
		return sys.CopyLink(from, to, name, st)
	case syscall.S_IFSOCK:
		return nil // belongs to a process that is not there
	}
	return sys.CopyNode(to, name, st)
}

func (c *treeCopy) subdirectory(from, to *os.File, name string) error {
	src, err := sys.OpenIn(from, name, os.O_RDONLY|sys.ODirectory|sys.ONoFollow, sys.NoLinks)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := sys.Mkdirat(to, name, 0o700); err != nil && !(c.again && errors.Is(err, syscall.EEXIST)) {
		return err
	}
	dst, err := sys.OpenIn(to, name, os.O_RDONLY|sys.ODirectory|sys.ONoFollow, sys.NoLinks)
	if err != nil {
		return err
	}
	defer dst.Close()
	return c.directory(src, dst)
}

func (c *treeCopy) regular(from, to *os.File, name string, st *syscall.Stat_t, id fileID) error {
	src, err := sys.OpenIn(from, name, os.O_RDONLY|sys.ONoFollow|sys.ONonblock, sys.NoLinks)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := sys.OpenIn(to, name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, sys.NoLinks)
	if err != nil {
		return err
	}
	if st.Nlink > 1 {
		c.links[id] = dst
	} else {
		defer dst.Close()
	}
	if _, err := io.Copy(dst, src); err != nil {
		return err
	}
	return copyAttributes(src, dst)
}

// copyAttributes makes the owner, mode, extended attributes and times of an open file those of another. The order matters:
// a change of the owner clears setuid and file capabilities, any change sets the time.
func copyAttributes(from, to *os.File) error {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	if err := to.Chown(int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := sys.Fchmod(to, st.Mode&0o7777); err != nil {
		return err
	}
	if err := sys.CopyXattrs(from, to); err != nil {
		return err
	}
	return sys.SetTimes(to, st)
}
