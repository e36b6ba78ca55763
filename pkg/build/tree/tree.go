// Package tree reads parts of directory trees on disk: a build's context, what a source gave, the root of another stage. Whatever
// is in them is hostile: paths and links are resolved below the root, to a descriptor, and never lead out of it.
package tree

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	"github.com/tonistiigi/fsutil"

	"github.com/mosscontainers/moss/pkg/build/seen"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Tree is a part of a directory tree on disk, that steps read and never write.
type Tree struct {
	Root    string   // an absolute directory; for a snapshot: a mounted root
	Include []string // patterns of moby/patternmatcher, of what there is to see; empty is everything
	Exclude []string // patterns of what is not to be seen, even where Include has it
	Follow  []string // paths and patterns to include with what links among them point to
	// Layers says that it is made of layers: of what one of them deletes and none below has, there is a name without a file.
	Layers bool
	// RootOwned has everything belong to the super-user, whoever owns it on disk: so it is with a build's context.
	RootOwned bool
	// Known remembers what the files contain between builds; nil remembers nothing. It is for trees that keep their inodes, as
	// those of a user do: what is on a new mount has other ones each time.
	Known *Known
	// Seen is told what is read of the tree; nil is told nothing.
	Seen *seen.Notes
}

// View is an open tree. It is for one goroutine at a time.
type View struct {
	tree   *Tree
	root   *os.File
	filter *filter
}

// Open opens a tree.
func (t *Tree) Open() (*View, error) {
	include, err := t.included()
	if err != nil {
		return nil, err
	}
	f, err := newFilter(include, t.Exclude)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenFile(t.Root, os.O_RDONLY|sys.ODirectory, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot read the directory: %w", err)
	}
	return &View{tree: t, root: root, filter: f}, nil
}

// Close ends what Open began.
func (v *View) Close() { v.root.Close() } // nothing was written

// included are the patterns of what there is to see, with those that links lead to.
func (t *Tree) included() ([]string, error) {
	if len(t.Follow) == 0 {
		return t.Include, nil
	}
	files, err := fsutil.NewFS(t.Root)
	if err != nil {
		return nil, fmt.Errorf("cannot read the directory: %w", err)
	}
	targets, err := fsutil.FollowLinks(files, t.Follow)
	if err != nil {
		return nil, fmt.Errorf("cannot follow links in %s: %w", t.Root, err)
	}
	if targets == nil { // one of them is the root
		return nil, nil
	}
	t.doubtLinks(targets)
	return append(targets, t.Include...), nil
}

// find says where path leads, below the root and free of links; the last link is followed only with follow. "" is the root.
func (v *View) find(path string, follow bool) (string, error) {
	path = filepath.Join("/", path)
	if path == "/" {
		return "", nil
	}
	dir, base := filepath.Split(path)
	if follow {
		dir, base = path, ""
	}
	full, err := securejoin.SecureJoin(v.tree.Root, dir)
	if err != nil {
		return "", err
	}
	below := strings.TrimPrefix(strings.TrimPrefix(full, filepath.Clean(v.tree.Root)), "/")
	found := filepath.Join(below, base)
	if "/"+found != path {
		v.tree.Seen.Doubt() // a link may lead elsewhere next time
	}
	v.tree.Note(found)
	return found, nil
}

// openDir opens a directory below the root by a path that is free of links.
func (v *View) openDir(path string) (*os.File, error) {
	if path == "" {
		path = "."
	}
	return sys.OpenIn(v.root, path, os.O_RDONLY|sys.ODirectory, sys.NoLinks)
}

// openParent opens the directory in which a path that is free of links has its last name.
func (v *View) openParent(path string) (dir *os.File, name string, err error) {
	if path == "" {
		dir, err = v.openDir("")
		return dir, ".", err
	}
	dir, err = v.openDir(filepath.Dir(path))
	return dir, filepath.Base(path), err
}

// missing says that err is about something that is not there.
func missing(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, errNotDirectory)
}

// names are those of what is in a directory, in order.
func (t *Tree) names(dir *os.File) ([]string, error) {
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if t.Layers && e.Type()&os.ModeCharDevice != 0 && whiteout(dir, e.Name()) {
			continue
		}
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names, nil
}

// whiteout says whether a name tells only that something is deleted: as a device in a layer that is read by itself, and as nothing in an overlay.
func whiteout(dir *os.File, name string) bool {
	st, err := sys.StatAt(dir, name)
	return errors.Is(err, os.ErrNotExist) || err == nil && st.Rdev == 0
}
