package store

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// A layer's directory is what the overlay driver makes: beside the tree there are "link", its short name, which is a symbolic link in the directory
// "l" so that many fit into the options of a mount; "lower", the short names of all layers below it; "lower-layers", their ids; and directories
// for mounts. All of that is made before the directory comes to its place, by one rename: the driver of Podman 4.3 would take
// what was killed before it had written "link" for one with an empty short name, and remove all of "l".

// floor is what a layer is put on.
type floor struct {
	lower string // as in the file of the layer on it
	ids   string // likewise
	root  syscall.Stat_t
}

// bare is below the lowest layer; the mode is the driver's.
func bare() *floor { return &floor{root: syscall.Stat_t{Mode: 0o555}} }

// on is what is put on a layer of this id and short name.
func (f *floor) on(id, link string, root syscall.Stat_t) *floor {
	join := func(top, below string) string { return strings.TrimSuffix(top+":"+below, ":") }
	return &floor{lower: join(filepath.Join("l", link), f.lower), ids: join(id, f.ids), root: root}
}

// short is the short name of the topmost layer.
func (f *floor) short() string {
	link, _, _ := strings.Cut(f.lower, ":")
	return filepath.Base(link)
}

// furnish makes all that the directories of layers have beside their trees.
func (s *Store) furnish(all []addition) error {
	made := map[string]*floor{"": bare()}
	for i, a := range all {
		below := made[a.record.Parent]
		if below == nil {
			var err error
			if below, err = s.floorOf(a.record.Parent); err != nil {
				return err
			}
			all[i].below = below.short()
		}
		top, err := a.staged.furnish(a.record.ID, below)
		if err != nil {
			return err
		}
		made[a.record.ID] = top
	}
	return nil
}

// floorOf is what a layer of the store is to those on it.
func (s *Store) floorOf(id string) (*floor, error) {
	trees, err := s.trees(id)
	if err != nil {
		return nil, err
	}
	f := bare()
	for _, tree := range slices.Backward(trees) {
		link, err := shortName(tree)
		if err != nil {
			return nil, err
		}
		f = f.on(filepath.Base(filepath.Dir(tree)), link, f.root)
	}
	return f, syscall.Stat(trees[0], &f.root)
}

// shortName is that of the layer with a tree.
func shortName(tree string) (string, error) {
	link, err := os.ReadFile(filepath.Join(filepath.Dir(tree), "link"))
	return string(link), err
}

// begin makes what the directory of every layer has beside its tree.
func (g *Staged) begin() error {
	g.link = rand.Text()
	err := g.note("link", g.link)
	for _, name := range []string{"work", "merged"} {
		if err == nil {
			err = os.Mkdir(filepath.Join(g.dir, name), 0o700)
		}
	}
	return err
}

// furnish makes the rest of it, for a layer of this id on what is below.
func (g *Staged) furnish(id string, below *floor) (*floor, error) {
	root, err := g.setRoot(below.root)
	if err != nil {
		return nil, err
	}
	if below.ids == "" {
		err = os.Mkdir(filepath.Join(g.dir, "empty"), 0o700)
	} else {
		err = errors.Join(g.note("lower", below.lower), g.note("lower-layers", below.ids))
	}
	return below.on(id, g.link, root), err
}

func (g *Staged) note(name, content string) error {
	return os.WriteFile(filepath.Join(g.dir, name), []byte(content), 0o644) //nolint:gosec // as the driver does; the store is 0700
}

// setRoot gives the tree's root the mode that the tar says, or else makes it like that of the layer below.
func (g *Staged) setRoot(below syscall.Stat_t) (root syscall.Stat_t, err error) {
	if g.mode != nil {
		err = os.Chmod(g.tree(), *g.mode)
	} else {
		err = errors.Join(os.Lchown(g.tree(), int(below.Uid), int(below.Gid)), syscall.Chmod(g.tree(), below.Mode&0o7777))
	}
	return root, errors.Join(err, syscall.Stat(g.tree(), &root))
}

// place renames what is staged and furnished to where it belongs.
func (s *Store) place(a addition) error {
	id, g := a.record.ID, a.staged
	if err := s.displace(id); err != nil { // what somebody left who was killed
		return err
	}
	if err := moveFile(g.split(), s.splitPath(id)); err != nil && !errors.Is(err, os.ErrNotExist) { // an empty layer has none
		return err
	}
	dir := s.layerDir(id)
	if err := os.Rename(g.dir, dir); err != nil {
		return err
	}
	g.dir = ""
	link := s.linkPath(g.link)
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil { //nolint:gosec // as the driver does, which has not made one yet in a store of its own for images
		return err
	}
	return os.Symlink(filepath.Join("..", id, "diff"), link)
}

// displace removes the files of a layer that is not in the list, or marked there.
func (s *Store) displace(id string) error {
	dir := s.layerDir(id)
	link, err := shortName(filepath.Join(dir, "diff"))
	if err == nil && link != "" {
		err = os.Remove(s.linkPath(link))
	}
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, removeAll(dir, s.splitPath(id)))
}

func (s *Store) layerDir(id string) string {
	return filepath.Join(s.cfg.ImageRoot(), s.cfg.Driver, id)
}

// linkPath is the link of a layer's short name.
func (s *Store) linkPath(short string) string {
	return filepath.Join(s.cfg.ImageRoot(), s.cfg.Driver, "l", filepath.Base(short))
}

// splitPath is where the library looks for a layer's tar-split, also if layers are in a store of their own.
func (s *Store) splitPath(id string) string {
	return filepath.Join(s.cfg.GraphRoot, s.cfg.Driver+"-layers", id+".tar-split.gz")
}

// moveFile is a rename, or a copy where that leads to another file system.
func moveFile(from, to string) error {
	err := os.Rename(from, to)
	if errors.Is(err, syscall.EXDEV) {
		return copyFile(from, to)
	}
	return err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
