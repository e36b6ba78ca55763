package fileop

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// copier is the visitor that copies what it is shown.
type copier struct {
	dest    *destination
	attrs   attributes
	replace bool // what is in the way, whatever it is
	parent  *os.File
	name    string // of the first entry, in parent
	path    string // of the first entry, below the destination
	levels  []*level
	links   map[fileID]string // where the first copy of a file with several names is
}

// level is a directory that is being filled.
type level struct {
	dir  *os.File
	done func() error // gives it its attributes
}

// fileID names an inode.
type fileID struct{ dev, ino uint64 }

// end closes what a walk that failed has left open.
func (c *copier) end() error {
	for _, l := range c.levels {
		l.dir.Close()
	}
	c.levels = nil
	return nil
}

// at says where an entry goes.
func (c *copier) at(e *tree.Entry) (dir *os.File, name string) {
	if e.Path == "" {
		return c.parent, c.name
	}
	return c.levels[len(c.levels)-1].dir, e.Name
}

// Enter makes a directory, or goes into the one that is there.
func (c *copier) Enter(e *tree.Entry) error {
	parent, name := c.at(e)
	made, err := c.makeDir(parent, name, e)
	if err != nil {
		return err
	}
	dir, err := sys.OpenIn(parent, name, os.O_RDONLY|sys.ODirectory|sys.ONoFollow, sys.NoLinks)
	if err != nil {
		return err
	}
	st := *e.Stat
	l := &level{dir: dir}
	switch {
	case made || e.Path != "" && !e.Passed:
		l.done, err = c.likeSource(l.dir, e)
	case e.Path == "": // where the copy goes to keeps its owner and mode
		l.done = func() error { return sys.SetTimes(dir, c.attrs.apply(&st)) }
	default:
		l.done = func() error { return sys.Fchmod(dir, st.Mode&0o7777) }
	}
	c.levels = append(c.levels, l)
	return err
}

func (c *copier) likeSource(dir *os.File, e *tree.Entry) (func() error, error) {
	xattrs, err := e.Xattrs()
	want := c.attrs.apply(e.Stat)
	return func() error { return setState(dir, want, xattrs) }, err
}

func (c *copier) makeDir(parent *os.File, name string, e *tree.Entry) (made bool, err error) {
	if name != "." {
		err = sys.MakeDirAt(parent, name)
	}
	if err == nil {
		return name != ".", nil
	}
	if !errors.Is(err, os.ErrExist) {
		return false, err
	}
	st, err := sys.StatAt(parent, name)
	if err != nil || isDir(st) {
		return false, err
	}
	path := filepath.Join(c.path, e.Path)
	if !c.replace {
		return false, errdefs.Errorf(errdefs.ErrConflict, "cannot copy a directory to /%s: there is something that is no directory", path)
	}
	if err := c.dest.tree.RemoveAll(path); err != nil {
		return false, err
	}
	return true, sys.MakeDirAt(parent, name)
}

// Leave gives a directory its attributes, which making things in it would have changed.
func (c *copier) Leave(*tree.Entry) error {
	l := c.levels[len(c.levels)-1]
	c.levels = c.levels[:len(c.levels)-1]
	return errors.Join(l.done(), l.dir.Close())
}

// Visit copies anything but a directory.
func (c *copier) Visit(e *tree.Entry) error {
	err := c.make(e)
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := c.clear(e); err != nil {
		return err
	}
	return c.make(e)
}

// clear removes what is in an entry's place.
func (c *copier) clear(e *tree.Entry) error {
	path := filepath.Join(c.path, e.Path)
	st, err := c.dest.stat(path)
	if err != nil {
		return err
	}
	if isDir(st) && !c.replace {
		return errdefs.Errorf(errdefs.ErrConflict, "cannot copy a file to /%s: it is a directory", path)
	}
	return c.dest.tree.RemoveAll(path)
}

// make copies an entry to where nothing is.
func (c *copier) make(e *tree.Entry) error {
	dir, name := c.at(e)
	switch e.Kind() {
	case syscall.S_IFREG:
		return c.regular(dir, name, e)
	case syscall.S_IFLNK:
		target, err := sys.ReadlinkAt(e.Dir, e.Name)
		if err != nil {
			return err
		}
		if err := sys.LinkTo(target, dir, name); err != nil {
			return err
		}
		return sys.OwnAt(dir, name, c.attrs.apply(e.Stat))
	case syscall.S_IFSOCK: // belongs to a process that is not there
		return nil
	}
	return sys.CopyNode(dir, name, c.attrs.apply(e.Stat))
}

func (c *copier) regular(dir *os.File, name string, e *tree.Entry) error {
	if e.Stat.Nlink < 2 {
		return c.file(dir, name, e)
	}
	id := fileID{e.Stat.Dev, e.Stat.Ino}
	if first, ok := c.links[id]; ok {
		return c.link(first, dir, name)
	}
	if err := c.file(dir, name, e); err != nil {
		return err
	}
	if c.links == nil {
		c.links = map[fileID]string{}
	}
	c.links[id] = filepath.Join(c.path, e.Path)
	return nil
}

// link gives a file that was copied already one more name.
func (c *copier) link(first string, dir *os.File, name string) error {
	f, err := sys.OpenIn(c.dest.root, first, sys.OPath|sys.ONoFollow, sys.NoLinks)
	if err != nil {
		return err
	}
	defer f.Close()
	return sys.LinkAt(f, dir, name)
}

func (c *copier) file(dir *os.File, name string, e *tree.Entry) error {
	from, err := e.OpenFile()
	if err != nil {
		return err
	}
	defer from.Close()
	xattrs, err := sys.Xattrs(from)
	if err != nil {
		return err
	}
	to, err := sys.OpenIn(dir, name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, sys.NoLinks)
	if err != nil {
		return err
	}
	err = copyContent(to, from, e.Stat)
	if err == nil {
		err = setState(to, c.attrs.apply(e.Stat), xattrs)
	}
	return errors.Join(err, to.Close())
}
