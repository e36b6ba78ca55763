package fileop

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	securejoin "github.com/cyphar/filepath-securejoin"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// destination is the root that is written to.
type destination struct {
	root *os.File
	tree *os.Root // of the same directory
}

func openDestination(path string) (*destination, error) {
	tree, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("cannot write to the step's root: %w", err)
	}
	return newDestination(tree)
}

// sub is a directory below as a root of its own, by a path that is free of links.
func (d *destination) sub(path string) (*destination, error) {
	if path == "" {
		path = "."
	}
	tree, err := d.tree.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return newDestination(tree)
}

func newDestination(tree *os.Root) (*destination, error) {
	root, err := tree.Open(".")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot write to the step's root: %w", err), tree.Close())
	}
	return &destination{root: root, tree: tree}, nil
}

func (d *destination) Close() {
	d.root.Close()
	d.tree.Close()
}

// find says where path leads, below the root and free of links, whether it is there or not. "" is the root.
func (d *destination) find(path string) (string, error) {
	full, err := securejoin.SecureJoin(d.tree.Name(), path)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(strings.TrimPrefix(full, filepath.Clean(d.tree.Name())), "/"), nil
}

// open opens a directory by a path that is free of links.
func (d *destination) open(path string) (*os.File, error) {
	if path == "" {
		path = "."
	}
	return sys.OpenIn(d.root, path, os.O_RDONLY|sys.ODirectory, sys.NoLinks)
}

// stat is the state of what a path that is free of links names, nil if nothing.
func (d *destination) stat(path string) (*syscall.Stat_t, error) {
	if path == "" {
		path = "."
	}
	info, err := d.tree.Lstat(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return info.Sys().(*syscall.Stat_t), nil
}

// mkdirAll opens a directory by a path that is free of links, and makes it and those above it that are not there, with attributes.
func (d *destination) mkdirAll(path string, a attributes) (dir *os.File, made []string, err error) {
	dir, err = d.open(path)
	if !errors.Is(err, os.ErrNotExist) {
		return dir, nil, d.explain(path, err)
	}
	parent, made, err := d.mkdirAll(below(filepath.Dir(path)), a)
	if err != nil {
		return nil, nil, err
	}
	defer parent.Close()
	name := filepath.Base(path)
	if err := sys.MakeDirAt(parent, name); err != nil {
		return nil, nil, err
	}
	if dir, err = sys.OpenIn(parent, name, os.O_RDONLY|sys.ODirectory, sys.NoLinks); err != nil {
		return nil, nil, err
	}
	st, err := sys.StatAt(parent, name)
	if err == nil {
		err = a.set(dir, st)
	}
	if err != nil {
		dir.Close()
		return nil, nil, err
	}
	return dir, append(made, path), nil
}

// explain says of a path that cannot be walked what is in the way.
func (d *destination) explain(path string, err error) error {
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
		return errdefs.Errorf(errdefs.ErrConflict, "cannot make the directory /%s: it, or one above it, is there and is no directory", path)
	}
	return err
}

// touch gives directories that were made on the way their time again, which what was made in them has changed.
func (d *destination) touch(made []string, a attributes) error {
	if a.time == nil {
		return nil
	}
	for _, path := range made {
		dir, err := d.open(path)
		if err != nil {
			return err
		}
		st := &syscall.Stat_t{}
		a.stamp(st)
		err = sys.SetTimes(dir, st)
		dir.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// below is a cleaned path as the functions here have it.
func below(path string) string {
	return strings.TrimPrefix(filepath.Join("/", path), "/")
}
