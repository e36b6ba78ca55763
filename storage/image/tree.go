package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage"
)

// fileTree is what overlayfs would show of some layers: each path, without a slash before it, and what lstat says of it. It is
// read from the layers themselves, so that nothing need be mounted.
type fileTree map[string]fs.FileInfo

// layerDirs are the directories of an image's layers, topmost first.
func layerDirs(img *storage.Image) []string {
	var dirs []string
	for _, lower := range img.Lower {
		if !filepath.IsAbs(lower) {
			lower = filepath.Join(img.Home, lower)
		}
		dirs = append(dirs, lower)
	}
	return dirs
}

// readTree merges layers, topmost first.
func readTree(dirs []string) (fileTree, error) {
	m := &merging{files: fileTree{}, ended: map[string]int{}}
	for at, dir := range dirs {
		if err := m.add(at, dir); err != nil {
			return nil, fmt.Errorf("cannot read the layer %s: %w", dir, err)
		}
	}
	return m.files, nil
}

// merging goes through layers from the topmost down.
type merging struct {
	files fileTree
	// ended are the paths below which a layer hides what all layers below it have, and the number of that layer: whiteouts,
	// files, and directories that are opaque.
	ended map[string]int
}

func (m *merging) add(at int, dir string) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer closing(&err, root)
	return m.walk(at, root, ".")
}

// walk goes through a directory. The names in there may be any bytes, which those of package fs may not.
func (m *merging) walk(at int, root *os.Root, dir string) error {
	entries, err := readDir(root, dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		err := m.visit(at, root, name, entry)
		if err == nil && entry.IsDir() {
			err = m.descend(at, root, name)
		}
		if err != nil && !errors.Is(err, fs.SkipDir) {
			return err
		}
	}
	return nil
}

// longest is how long a path may be (PATH_MAX). Containers can make longer ones, and all of them together would be more than memory has.
const longest = 4096

func (m *merging) descend(at int, root *os.Root, name string) error {
	if len(name) > longest {
		return errdefs.Errorf(errdefs.ErrInvalid, "paths in there are longer than %d bytes, as below %.60s…", longest, name)
	}
	return m.walk(at, root, name)
}

func readDir(root *os.Root, name string) (_ []fs.DirEntry, err error) {
	dir, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer closing(&err, dir)
	return dir.ReadDir(-1)
}

// visit takes one entry of the layer with the number at.
func (m *merging) visit(at int, root *os.Root, name string, entry fs.DirEntry) error {
	if above, ok := m.ended[name]; ok && above < at {
		return skip(entry)
	}
	_, known := m.files[name]
	info, err := entry.Info()
	if err != nil {
		return err
	}
	if known && !entry.IsDir() { // a directory of a layer above covers it, and what is below it
		m.ended[name] = at
		return nil
	}
	if whiteout(info) {
		m.ended[name] = at
		return nil
	}
	m.files[name] = first(m.files[name], info)
	ends, err := m.ends(root, name, entry)
	if ends {
		m.ended[name] = at
	}
	return err
}

func first(known, found fs.FileInfo) fs.FileInfo {
	if known != nil {
		return known
	}
	return found
}

// ends says that nothing of the layers below shows through an entry.
func (m *merging) ends(root *os.Root, name string, entry fs.DirEntry) (opaque bool, err error) {
	if !entry.IsDir() {
		return true, nil
	}
	dir, err := root.Open(name)
	if err != nil {
		return false, err
	}
	defer closing(&err, dir)
	return sys.Opaque(dir)
}

// whiteout is how overlayfs marks what a layer removes.
func whiteout(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode()&fs.ModeCharDevice != 0 && st.Rdev == 0
}

func skip(entry fs.DirEntry) error {
	if entry.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// gone says that the directory of a path is not there, or no directory any more.
func (t fileTree) gone(name string) bool {
	dir := path.Dir(name)
	return dir != "." && (t[dir] == nil || !t[dir].IsDir())
}

// sameFile compares what a change would show in: not the times of directories, which change with their entries.
func sameFile(a, b fs.FileInfo) bool {
	x, okX := a.Sys().(*syscall.Stat_t)
	y, okY := b.Sys().(*syscall.Stat_t)
	if !okX || !okY || a.Mode() != b.Mode() || x.Uid != y.Uid || x.Gid != y.Gid || x.Rdev != y.Rdev {
		return false
	}
	return a.IsDir() || a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
