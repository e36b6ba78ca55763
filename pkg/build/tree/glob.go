package tree

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Glob are the paths that a pattern of filepath.Match matches, in the order of names. What comes before the first wildcard may lead
// through links; wildcards match in real directories only. A path without wildcards is its own answer, whether it is there or not.
func (v *View) Glob(pattern string, follow bool) ([]string, error) {
	literal, wild := splitWildcards(pattern)
	if len(wild) == 0 {
		return []string{literal}, nil
	}
	if _, err := filepath.Match(pattern, ""); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use the pattern %s: %w", pattern, err)
	}
	start, err := v.find(literal, follow)
	if err != nil {
		return nil, err
	}
	paths, err := v.glob(start, wild)
	if missing(err) {
		return nil, nil
	}
	for i, p := range paths {
		paths[i] = "/" + p
	}
	return paths, err
}

// glob matches the components of a pattern in a directory and below.
func (v *View) glob(dir string, wild []string) ([]string, error) {
	v.tree.Note(dir)
	f, err := v.openDir(dir)
	if err != nil {
		return nil, err
	}
	names, err := v.tree.names(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	var found []string
	for _, name := range names {
		if ok, err := filepath.Match(wild[0], name); err != nil || !ok {
			continue
		}
		more, err := v.globBelow(filepath.Join(dir, name), wild[1:])
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

func (v *View) globBelow(path string, wild []string) ([]string, error) {
	if len(wild) == 0 {
		return v.visible(path)
	}
	found, err := v.glob(path, wild)
	if missing(err) || errors.Is(err, syscall.ELOOP) { // a file or a link
		return nil, nil
	}
	return found, err
}

// visible is a path, if it is to be seen, or something in it.
func (v *View) visible(path string) ([]string, error) {
	seen, below, _, err := v.filter.look(path, matched{})
	if err != nil || seen {
		return []string{path}, err
	}
	if !below {
		return nil, nil
	}
	err = v.Walk(context.Background(), Selection{Path: path}, first{})
	if errors.Is(err, errShown) {
		return []string{path}, nil
	}
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil, nil
	}
	return nil, err
}

// first ends a walk at the first thing that it shows.
type first struct{}

var errShown = errors.New("shown")

func (first) Enter(*Entry) error { return errShown }
func (first) Leave(*Entry) error { return errShown }
func (first) Visit(*Entry) error { return errShown }

func splitWildcards(pattern string) (literal string, wild []string) {
	parts := strings.Split(strings.TrimPrefix(filepath.Join("/", pattern), "/"), "/")
	n := slices.IndexFunc(parts, HasWildcard)
	if n < 0 {
		n = len(parts)
	}
	return "/" + filepath.Join(parts[:n]...), parts[n:]
}

// HasWildcard says whether a path is a pattern.
func HasWildcard(path string) bool {
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}

// Stat is the state of what a path names, if it is to be seen.
func (v *View) Stat(path string, follow bool) (*syscall.Stat_t, error) {
	found, err := v.find(path, follow)
	if err != nil {
		return nil, v.explain(path, found, err)
	}
	visible, err := v.visible(found)
	if err != nil {
		return nil, v.explain(path, found, err)
	}
	if visible == nil {
		return nil, v.absent(path, found)
	}
	dir, name, err := v.openParent(found)
	if err != nil {
		return nil, v.explain(path, found, err)
	}
	defer dir.Close()
	st, err := sys.StatAt(dir, name)
	return st, v.explain(path, found, err)
}

// OpenFile opens what a path leads to for reading, if it is a regular file that is to be seen; nil if it is something else.
func (v *View) OpenFile(path string) (*os.File, error) {
	st, err := v.Stat(path, true)
	if err != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return nil, err
	}
	found, err := v.find(path, true)
	if err != nil {
		return nil, err
	}
	return sys.OpenIn(v.root, found, os.O_RDONLY|sys.ONonblock, sys.NoLinks)
}
