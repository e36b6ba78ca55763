package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

const errNotDirectory = syscall.ENOTDIR

// Entry is one thing in a tree.
type Entry struct {
	Path string // below where the walk began, "" is that itself
	Dir  *os.File
	Name string // in Dir
	Stat *syscall.Stat_t
	// Open is an open directory; nil for everything else.
	Open *os.File
	// Passed says of a directory that patterns left it out: it is there for the sake of something in it.
	Passed bool
	// Root says that it is the tree's own. How that one is made on disk says nothing of an image, so it is like any new directory: 0755, of the
	// super-user, without extended attributes.
	Root bool

	tree *Tree
	full string // below the tree's root
}

// Xattrs are a directory's extended attributes.
func (e *Entry) Xattrs() ([]sys.Xattr, error) {
	if e.Root {
		return nil, nil
	}
	return sys.Xattrs(e.Open)
}

// Kind is the type in the entry's mode, one of syscall's S_IF….
func (e *Entry) Kind() uint32 { return e.Stat.Mode & syscall.S_IFMT }

// OpenFile opens a regular file for reading.
func (e *Entry) OpenFile() (*os.File, error) {
	return e.open(sys.ONonblock)
}

// open opens the entry, or says by its whole path why it cannot be read.
func (e *Entry) open(flags int) (*os.File, error) {
	f, err := sys.OpenIn(e.Dir, e.Name, os.O_RDONLY|sys.ONoFollow|flags, sys.NoLinks)
	if err == nil || missing(err) {
		return f, err
	}
	var at *os.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	err = fmt.Errorf("cannot read %s: %w", filepath.Join(e.tree.Root, e.full), err)
	if e.tree.RootOwned && errors.Is(err, os.ErrPermission) {
		err = errdefs.Errorf(errdefs.ErrDenied, "%w; .dockerignore can leave it out", err)
	}
	return nil, err
}

// Visitor is shown what a walk comes by, in the order of names.
type Visitor interface {
	Enter(e *Entry) error // a directory, before what is in it
	Leave(e *Entry) error // a directory that was entered, after what is in it
	Visit(e *Entry) error // anything else
}

// Selection is what of a tree a walk shows.
type Selection struct {
	Path     string   // a file or a directory
	Follow   bool     // to where a link at Path leads
	Include  []string // patterns of paths below Path; empty is everything
	Exclude  []string // patterns of paths below Path
	Required []string // paths below Path that must be among what is shown
}

// Walk shows what is selected. It does not go into directories that no pattern could match anything in.
func (v *View) Walk(ctx context.Context, s Selection, visitor Visitor) error {
	start, err := v.find(s.Path, s.Follow)
	if err != nil {
		return v.explain(s.Path, start, err)
	}
	own, err := newFilter(s.Include, s.Exclude)
	if err != nil {
		return err
	}
	w := &walker{ctx: ctx, view: v, visitor: visitor, start: start, own: own, required: cleanAll(s.Required)}
	if err := w.begin(); err != nil {
		return v.explain(s.Path, start, err)
	}
	if len(w.required) > 0 {
		return v.absent(filepath.Join("/", s.Path, w.required[0]), filepath.Join(start, w.required[0]))
	}
	return nil
}

// explain says of something that is not there why.
func (v *View) explain(asked, found string, err error) error {
	if missing(err) {
		return v.absent(filepath.Join("/", asked), found)
	}
	return err
}

func (v *View) absent(asked, found string) error {
	if v.filter.refuses(found) {
		return errdefs.Errorf(errdefs.ErrNotFound, "cannot find %s: .dockerignore leaves it out", asked)
	}
	return errdefs.Errorf(errdefs.ErrNotFound, "cannot find %s: no such file or directory", asked)
}

func cleanAll(paths []string) []string {
	var clean []string
	for _, p := range paths {
		clean = append(clean, strings.TrimPrefix(filepath.Join("/", p), "/"))
	}
	return clean
}

// walker is one walk.
type walker struct {
	ctx      context.Context
	view     *View
	visitor  Visitor
	start    string
	own      *filter  // of the selection
	above    []*frame // the directories that it is in
	required []string // what was not come by yet
}

// frame is a directory on the way. What the visitor was not shown yet is shown when something in it is.
type frame struct {
	entry    *Entry
	shown    bool
	tree     matched
	selected matched
}

func (w *walker) begin() error {
	dir, name, err := w.view.openParent(w.start)
	if err != nil {
		return err
	}
	defer dir.Close()
	shown, err := w.entry(&frame{}, dir, name, "")
	if err == nil && !shown {
		return os.ErrNotExist
	}
	return err
}

// entry shows one entry of a directory, with what is in it, if patterns allow.
func (w *walker) entry(in *frame, dir *os.File, name, path string) (shown bool, err error) {
	if err := w.ctx.Err(); err != nil {
		return false, err
	}
	f := &frame{}
	seen, below, tree, err := w.view.filter.look(filepath.Join(w.start, path), in.tree)
	if err != nil || !seen && !below {
		return false, err
	}
	seen2, below2, selected, err := w.own.look(path, in.selected)
	if err != nil || !seen2 && !below2 {
		return false, err
	}
	f.tree, f.selected = tree, selected
	seen = seen && seen2
	st, err := sys.StatAt(dir, name)
	if err != nil {
		return false, err
	}
	w.view.tree.Seen.File(w.view.tree.path(filepath.Join(w.start, path)), st)
	if w.view.tree.RootOwned {
		st.Uid, st.Gid = 0, 0
	}
	f.entry = &Entry{Path: path, Dir: dir, Name: name, Stat: st, Passed: !seen, Root: w.start == "" && path == "", tree: w.view.tree, full: filepath.Join(w.start, path)}
	if f.entry.Root {
		st.Uid, st.Gid, st.Mode = 0, 0, syscall.S_IFDIR|0o755
	}
	if f.entry.Kind() == syscall.S_IFDIR {
		return w.directory(f)
	}
	if !seen {
		return false, nil
	}
	return true, w.show(f, w.visitor.Visit)
}

func (w *walker) directory(f *frame) (shown bool, err error) {
	e := f.entry
	e.Open, err = e.open(sys.ODirectory)
	if err != nil {
		return false, err
	}
	defer e.Open.Close()
	if !e.Passed {
		if err := w.show(f, w.visitor.Enter); err != nil {
			return false, err
		}
	}
	w.above = append(w.above, f)
	err = w.children(f)
	w.above = w.above[:len(w.above)-1]
	if err == nil && f.shown {
		err = w.visitor.Leave(e)
	}
	return f.shown, err
}

func (w *walker) children(f *frame) error {
	names, err := w.view.tree.names(f.entry.Open)
	if err != nil {
		return fmt.Errorf("cannot read the directory %s: %w", filepath.Join("/", w.start, f.entry.Path), err)
	}
	for _, name := range names {
		if _, err := w.entry(f, f.entry.Open, name, filepath.Join(f.entry.Path, name)); err != nil {
			return err
		}
	}
	return nil
}

// show shows an entry, after the directories above it that were not shown yet.
func (w *walker) show(f *frame, to func(*Entry) error) error {
	for _, a := range w.above {
		if a.shown {
			continue
		}
		a.shown = true
		if err := w.visitor.Enter(a.entry); err != nil {
			return err
		}
	}
	f.shown = true
	w.required = slices.DeleteFunc(w.required, func(path string) bool {
		return f.entry.Path == path || strings.HasPrefix(f.entry.Path, path+"/")
	})
	return to(f.entry)
}
