package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage"
)

// layer is a layer of the store.
type layer struct {
	ID      string        `json:"id"`
	DiffID  digest.Digest `json:"diffID"`
	Created time.Time     `json:"created,omitzero"` // zero for one of an image that was there before
}

// snapshot is a root file system: its layers, lowest first.
type snapshot []layer

// top is the id of the topmost layer, "" without one.
func (s snapshot) top() string {
	if len(s) == 0 {
		return ""
	}
	return s[len(s)-1].ID
}

// ids are those of the layers, lowest first.
func (s snapshot) ids() []string {
	ids := make([]string, len(s))
	for i, l := range s {
		ids[i] = l.ID
	}
	return ids
}

// on is the snapshot with one more layer.
func (s snapshot) on(l layer) snapshot { return append(slices.Clip(s), l) }

// content names what the snapshot contains: the same layers, whichever images and steps they are from, have the same.
func (s snapshot) content() string {
	sum := digest.Canonical.Digester()
	for _, l := range s {
		sum.Hash().Write([]byte(l.DiffID + "\n"))
	}
	return sum.Digest().Encoded()
}

// result is what an operation gives at one of its outputs: a snapshot, or a directory of a source.
type result struct {
	layers snapshot
	tree   *tree.Tree // nil for a snapshot
}

// root is a result that can be read.
type root struct {
	*tree.Tree
	file *os.File // keeps it mounted; nil where nothing is
}

// Close lets go of it.
func (r *root) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// open makes a result readable.
func (s *solver) open(r result) (*root, error) {
	if r.tree != nil {
		return &root{Tree: r.tree}, nil
	}
	o, err := s.overlay(r.layers)
	if err != nil {
		return nil, err
	}
	if len(o.Lower) < 2 {
		empty, err := s.tempDir("empty-")
		if err != nil || len(o.Lower) == 0 {
			return &root{Tree: &tree.Tree{Root: empty}}, err
		}
		o.Lower = append(o.Lower, empty) // overlayfs wants two, and attributes of a layer's directories are for overlayfs alone
	}
	target, err := s.tempDir("root-")
	if err != nil {
		return nil, err
	}
	file, err := o.Open(target)
	if err != nil {
		return nil, err
	}
	return &root{Tree: &tree.Tree{Root: descriptorPath(file), Layers: true}, file: file}, nil
}

// overlay is a snapshot as layers to mount.
func (s *solver) overlay(layers snapshot) (*runtime.Overlay, error) {
	ids := layers.ids()
	slices.Reverse(ids)
	home, lower, err := storage.LowerDirs(s.engine.Config.Storage, ids...)
	return &runtime.Overlay{Home: home, Lower: lower, UserXattr: s.facts.OverlayUserXattr(), Volatile: true}, err
}

// descriptorPath leads to what a descriptor is open on.
func descriptorPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// tempDir is a new directory that goes with this build, however it ends.
func (s *solver) tempDir(prefix string) (string, error) {
	base, err := s.temp()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(base, prefix)
	if err != nil {
		return "", fmt.Errorf("cannot make a directory for the build: %w", err)
	}
	return dir, nil
}

// draft is a layer that is being written, on top of a snapshot.
type draft struct {
	below snapshot
	dir   string // has upper and work
	root  *os.File
}

func (d *draft) upper() string { return filepath.Join(d.dir, "upper") }
func (d *draft) work() string  { return filepath.Join(d.dir, "work") }

// draft makes an empty layer on a snapshot. Its root, as it is reached by path, is to be mounted.
func (s *solver) draft(below snapshot) (*draft, error) {
	dir, err := s.tempDir("layer-")
	if err != nil {
		return nil, err
	}
	d := &draft{below: below, dir: dir}
	for _, sub := range []string{d.upper(), d.work()} {
		if err := os.Mkdir(sub, 0o700); err != nil {
			return nil, fmt.Errorf("cannot make a layer: %w", err)
		}
	}
	return d, os.Chmod(d.upper(), 0o755)
}

// mount mounts a draft on its snapshot and returns the path of its root.
func (s *solver) mount(d *draft) (string, error) {
	if len(d.below) == 0 {
		return d.upper(), nil
	}
	o, err := s.overlay(d.below)
	if err != nil {
		return "", err
	}
	o.Upper, o.Work = d.upper(), d.work()
	target, err := s.tempDir("root-")
	if err != nil {
		return "", err
	}
	if d.root, err = o.Open(target); err != nil {
		return "", err
	}
	return descriptorPath(d.root), nil
}

func (d *draft) unmount() error {
	if d.root == nil {
		return nil
	}
	f := d.root
	d.root = nil
	return f.Close()
}

// discard removes a draft.
func (d *draft) discard() error { return errors.Join(d.unmount(), sys.RemoveAll(d.dir)) }
