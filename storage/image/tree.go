package image

import (
	"errors"
	"fmt"
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
type fileTree map[string]*syscall.Stat_t

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
	root, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer closing(&err, root)
	return m.walk(at, root, ".")
}

// entry is what a directory has under a name.
type entry struct {
	name string // any bytes
	*syscall.Stat_t
}

func isDir(st *syscall.Stat_t) bool { return st.Mode&syscall.S_IFMT == syscall.S_IFDIR }

// walk goes through a directory. A container may change it meanwhile: what is no directory any more, or not there, is passed over.
func (m *merging) walk(at int, root *os.File, dir string) error {
	entries, err := readDir(root, dir)
	if err != nil && (dir == "." || !passing(err)) {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.name)
		below, err := m.visit(at, root, name, e.Stat_t)
		if err == nil && below {
			err = m.walk(at, root, name)
		}
		if err != nil && !passing(err) {
			return err
		}
	}
	return nil
}

// passing says that something else is in the place of what was to be read.
func passing(err error) bool {
	return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}

// longest is how long a path may be (PATH_MAX). Containers can make longer ones, and all of them together would be more than memory has.
const longest = 4096

// openDir opens a directory that no link leads to.
func openDir(root *os.File, name string) (*os.File, error) {
	if len(name) >= longest {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "paths in there are longer than %d bytes, as below %.60s…", longest, name)
	}
	return sys.OpenIn(root, name, os.O_RDONLY|sys.ODirectory|sys.ONoFollow, sys.NoLinks)
}

func readDir(root *os.File, name string) (entries []entry, err error) {
	dir, err := openDir(root, name)
	if err != nil {
		return nil, err
	}
	defer closing(&err, dir)
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		st, err := sys.StatAt(dir, name)
		if err == nil {
			entries = append(entries, entry{name, st})
		} else if !passing(err) {
			return nil, err
		}
	}
	return entries, nil
}

// visit takes one entry of the layer with the number at, and says whether to go through what is below it.
func (m *merging) visit(at int, root *os.File, name string, st *syscall.Stat_t) (below bool, err error) {
	if above, ok := m.ended[name]; ok && above < at {
		return false, nil
	}
	if m.files[name] != nil && !isDir(st) { // a directory of a layer above covers it, and what is below it
		m.ended[name] = at
		return false, nil
	}
	if whiteout(st) {
		m.ended[name] = at
		return false, nil
	}
	if m.files[name] == nil {
		m.files[name] = st
	}
	ends, err := m.ends(root, name, st)
	if ends {
		m.ended[name] = at
	}
	return isDir(st), err
}

// ends says that nothing of the layers below shows through an entry.
func (m *merging) ends(root *os.File, name string, st *syscall.Stat_t) (opaque bool, err error) {
	if !isDir(st) {
		return true, nil
	}
	dir, err := openDir(root, name)
	if err != nil {
		return false, err
	}
	defer closing(&err, dir)
	return sys.Opaque(dir)
}

// whiteout is how overlayfs marks what a layer removes.
func whiteout(st *syscall.Stat_t) bool {
	return st.Mode&syscall.S_IFMT == syscall.S_IFCHR && st.Rdev == 0
}

// gone says that the directory of a path is not there, or no directory any more.
func (t fileTree) gone(name string) bool {
	dir := path.Dir(name)
	return dir != "." && (t[dir] == nil || !isDir(t[dir]))
}

// sameFile compares what a change would show in: not the times of directories, which change with their entries.
func sameFile(a, b *syscall.Stat_t) bool {
	if a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid || a.Rdev != b.Rdev {
		return false
	}
	return isDir(a) || a.Size == b.Size && a.Mtim == b.Mtim
}
