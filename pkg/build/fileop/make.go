package fileop

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// fixed are the attributes of something that has no source.
func (o *Options) fixed(mode int32, c *pb.ChownOpt, ns int64) (attributes, error) {
	own, err := o.owner(c)
	if own == nil {
		own = &owner{}
	}
	bits := uint32(mode) & 0o777
	return attributes{owner: own, mode: &bits, time: timestamp(ns)}, err
}

func applyMkdir(a *pb.FileActionMkDir, d *destination, o Options) error {
	attrs, err := o.fixed(a.Mode, a.Owner, a.Timestamp)
	if err != nil {
		return err
	}
	path, err := d.find(a.Path)
	if err != nil {
		return err
	}
	if st, err := d.stat(path); err != nil || st != nil && !a.MakeParents {
		return err
	}
	if !a.MakeParents {
		if above, err := d.stat(below(filepath.Dir(path))); err != nil || above == nil {
			return cmp.Or(err, errdefs.Errorf(errdefs.ErrNotFound, "cannot make the directory %s: the one above it is not there", a.Path))
		}
	}
	dir, made, err := d.mkdirAll(path, attrs)
	if err != nil {
		return err
	}
	dir.Close()
	return d.touch(made, attrs)
}

func applyMkfile(a *pb.FileActionMkFile, d *destination, o Options) error {
	attrs, err := o.fixed(a.Mode, a.Owner, a.Timestamp)
	if err != nil {
		return err
	}
	return d.create(a.Path, func(dir *os.File, name string) error {
		f, err := sys.OpenIn(dir, name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, sys.NoLinks)
		if err != nil {
			return err
		}
		_, err = bytes.NewReader(a.Data).WriteTo(f)
		if err == nil {
			err = attrs.set(f, &syscall.Stat_t{Mode: syscall.S_IFREG, Mtim: now(), Atim: now()})
		}
		return errors.Join(err, f.Close())
	})
}

func applySymlink(a *pb.FileActionSymlink, d *destination, o Options) error {
	attrs, err := o.fixed(0, a.Owner, a.Timestamp)
	if err != nil {
		return err
	}
	path, err := d.find(a.Newpath)
	if err != nil {
		return err
	}
	dir, err := d.open(below(filepath.Dir(path)))
	if err != nil {
		return fmt.Errorf("cannot make the link %s: %w", a.Newpath, err)
	}
	defer dir.Close()
	name := filepath.Base(path)
	if err := sys.LinkTo(a.Oldpath, dir, name); err != nil {
		return fmt.Errorf("cannot make the link %s: %w", a.Newpath, err)
	}
	return sys.OwnAt(dir, name, attrs.apply(&syscall.Stat_t{Mode: syscall.S_IFLNK, Mtim: now(), Atim: now()}))
}

// create makes a file in place of whatever path leads to but a directory.
func (d *destination) create(path string, create func(dir *os.File, name string) error) error {
	found, err := d.find(path)
	if err != nil {
		return err
	}
	dir, err := d.open(below(filepath.Dir(found)))
	if err != nil {
		return fmt.Errorf("cannot make the file %s: %w", path, err)
	}
	defer dir.Close()
	st, err := d.stat(found)
	if err == nil && st != nil && st.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		err = errdefs.Errorf(errdefs.ErrConflict, "cannot make the file %s: it is a directory", path)
	}
	if err == nil && st != nil {
		err = d.tree.Remove(found)
	}
	if err != nil {
		return err
	}
	return create(dir, filepath.Base(found))
}

func applyRm(a *pb.FileActionRm, d *destination) error {
	paths := []string{a.Path}
	if a.AllowWildcard {
		v, err := (&tree.Tree{Root: d.tree.Name()}).Open()
		if err != nil {
			return err
		}
		paths, err = v.Glob(a.Path, false)
		v.Close()
		if err != nil {
			return err
		}
	}
	for _, path := range slices.Backward(paths) {
		if err := d.remove(path, a.AllowNotFound); err != nil {
			return err
		}
	}
	return nil
}

// remove removes what path names, a link itself.
func (d *destination) remove(path string, missing bool) error {
	dir, name := filepath.Split(filepath.Join("/", path))
	if name == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot remove %q: it is the root", path)
	}
	above, err := d.find(dir)
	if err != nil {
		return err
	}
	found := filepath.Join(above, name)
	st, err := d.stat(found)
	if err != nil || st == nil && missing {
		return err
	}
	if st == nil {
		return errdefs.Errorf(errdefs.ErrNotFound, "cannot remove %s: no such file or directory", path)
	}
	return d.tree.RemoveAll(found)
}
