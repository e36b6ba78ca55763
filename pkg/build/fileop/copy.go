package fileop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// copying is one copy action.
type copying struct {
	action *pb.FileActionCopy
	source *tree.View
	dest   *destination
	attrs  attributes
}

func applyCopy(ctx context.Context, a *pb.FileActionCopy, d *destination, o Options) error {
	if o.Source == nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot copy %s: there is nothing to copy from", a.Src)
	}
	attrs, err := o.ofCopy(a)
	if err != nil {
		return err
	}
	v, err := o.Source.Open()
	if err != nil {
		return err
	}
	defer v.Close()
	c := &copying{action: a, source: v, dest: d, attrs: attrs}
	if err := c.checkDest(); err != nil {
		return err
	}
	sources, err := sourcesOf(v, a)
	if err != nil {
		return err
	}
	for _, src := range sources {
		if err := c.one(ctx, src); err != nil {
			return fmt.Errorf("cannot copy %s to %s: %w", src, a.Dest, err)
		}
	}
	return nil
}

// ofCopy are the attributes that a copy gives its files.
func (o *Options) ofCopy(a *pb.FileActionCopy) (attrs attributes, err error) {
	attrs.time = timestamp(a.Timestamp)
	if attrs.owner, err = o.owner(a.Owner); err != nil {
		return attrs, err
	}
	if a.ModeStr != "" {
		attrs.modes, err = parseModes(a.ModeStr)
	} else if a.Mode != -1 {
		bits := uint32(a.Mode)
		attrs.mode = &bits
	}
	return attrs, err
}

// sourcesOf are the paths that a copy reads.
func sourcesOf(v *tree.View, a *pb.FileActionCopy) ([]string, error) {
	if !a.AllowWildcard {
		return []string{filepath.Join("/", a.Src)}, nil
	}
	sources, err := v.Glob(a.Src, a.FollowSymlink)
	if err == nil && len(sources) == 0 && !a.AllowEmptyWildcard {
		err = errdefs.Errorf(errdefs.ErrNotFound, "cannot copy %s: nothing matches", a.Src)
	}
	return sources, err
}

// selection is what a copy reads of one of its sources.
func selection(a *pb.FileActionCopy, src string) tree.Selection {
	s := tree.Selection{Path: src, Follow: a.FollowSymlink, Include: a.IncludePatterns, Exclude: a.ExcludePatterns}
	if len(a.IncludePatterns) > 0 {
		for _, path := range a.RequiredPaths {
			s.Required = append(s.Required, strings.TrimPrefix(filepath.Join("/", path), filepath.Join("/", a.Src)))
		}
	}
	return s
}

// checkDest refuses a destination in a directory that is not there and is not to be made.
func (c *copying) checkDest() error {
	if c.action.CreateDestPath {
		return nil
	}
	found, err := c.dest.find(c.action.Dest)
	if err != nil {
		return err
	}
	st, err := c.dest.stat(below(filepath.Dir(found)))
	if err == nil && st == nil {
		err = errdefs.Errorf(errdefs.ErrNotFound, "cannot copy to %s: the directory above it is not there", c.action.Dest)
	}
	return err
}

// one copies one source.
func (c *copying) one(ctx context.Context, src string) error {
	if c.action.AttemptUnpackDockerCompatibility {
		if done, err := c.unpack(ctx, src); done || err != nil {
			return err
		}
	}
	made, err := c.makeDest()
	if err != nil {
		return err
	}
	path, more, err := c.place(src)
	if err != nil {
		return err
	}
	parent, name, err := c.openPlace(path)
	if err != nil {
		return err
	}
	defer parent.Close()
	w := &copier{dest: c.dest, attrs: c.attrs, replace: c.action.AlwaysReplaceExistingDestPaths, parent: parent, name: name, path: path}
	if err := errors.Join(c.source.Walk(ctx, selection(c.action, src), w), w.end()); err != nil {
		return err
	}
	return c.dest.touch(append(made, more...), c.attrs)
}

// makeDest makes the directories that the destination is in, and itself where it is named as a directory.
func (c *copying) makeDest() (made []string, err error) {
	dest := c.action.Dest
	if dir, name := filepath.Split(dest); name != "" && name != "." {
		dest = dir
	}
	return c.mkdirAll(dest)
}

func (c *copying) mkdirAll(path string) (made []string, err error) {
	found, err := c.dest.find(path)
	if err != nil {
		return nil, err
	}
	return c.mkdirAllAt(found)
}

// mkdirAllAt makes a directory by a path that is free of links. It gets the copy's mode where that is a number.
func (c *copying) mkdirAllAt(path string) (made []string, err error) {
	bits := uint32(0o755)
	if c.attrs.mode != nil {
		bits = *c.attrs.mode & 0o777
	}
	dir, made, err := c.dest.mkdirAll(path, attributes{owner: c.attrs.owner, mode: &bits, time: c.attrs.time})
	if err == nil {
		err = dir.Close()
	}
	return made, err
}

// place says where a source goes: into a directory that is there, or to the destination itself.
func (c *copying) place(src string) (path string, made []string, err error) {
	path, err = c.dest.find(c.action.Dest)
	if err != nil {
		return "", nil, err
	}
	from, err := c.source.Stat(src, c.action.FollowSymlink)
	if err != nil {
		return "", nil, err
	}
	to, err := c.dest.stat(path)
	if err != nil {
		return "", nil, err
	}
	if isDir(from) && !c.action.DirCopyContents && to != nil || !isDir(from) && isDir(to) {
		path = below(filepath.Join(path, filepath.Base(src)))
	}
	made, err = c.mkdirAllAt(below(filepath.Dir(path)))
	return path, made, err
}

func (c *copying) openPlace(path string) (parent *os.File, name string, err error) {
	if path == "" {
		parent, err = c.dest.open("")
		return parent, ".", err
	}
	parent, err = c.dest.open(below(filepath.Dir(path)))
	return parent, filepath.Base(path), err
}

func isDir(st *syscall.Stat_t) bool { return st != nil && st.Mode&syscall.S_IFMT == syscall.S_IFDIR }
