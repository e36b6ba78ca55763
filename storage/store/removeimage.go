package store

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/mosscontainers/moss/pkg/sys"
)

// The library removes the layers of an image one by one, and for each it saves the whole list of layers twice, and that of mounts, with an
// fsync each time. But what it finds marked as not whole it removes all at once. So an image with more than a few layers is removed in the
// library's own order, under its own locks: the record of the image, then that mark on all of its layers, then their files, then their records.

// fewLayers are removed by the library as ever.
const fewLayers = 3

// ErrNamed says that an image has got a name.
var ErrNamed = errors.New("it has a name by now")

// RemoveImage removes an image, and its layers that nothing else needs. Errors are those of the library's DeleteImage.
func (s *Store) RemoveImage(id string) error { return s.removeImage(id, false) }

// RemoveNameless is RemoveImage for images that nobody has named. What is built or pulled meanwhile may be the same image: then it stays, and
// the error is ErrNamed.
func (s *Store) RemoveNameless(id string) error { return s.removeImage(id, true) }

func (s *Store) removeImage(id string, nameless bool) error {
	layers, err := s.store.DeleteImage(id, false) // only tells which
	if err != nil {
		return err
	}
	if (nameless || len(layers) > fewLayers) && s.cfg.ImageStore == "" {
		if dropped, err := s.dropImage(id, layers, nameless); dropped || err != nil {
			return err
		}
	}
	if nameless {
		if img, err := s.store.Image(id); err != nil || len(img.Names) > 0 {
			return cmp.Or(err, ErrNamed)
		}
	}
	_, err = s.store.DeleteImage(id, true)
	return err
}

// dropImage does it all at once, and nothing where somebody has just begun to use one of the layers.
func (s *Store) dropImage(id string, layers []string, nameless bool) (dropped bool, err error) {
	aside := s.aside()
	if dropped, err = s.takeImage(id, layers, nameless, aside); !dropped || err != nil {
		return dropped, err
	}
	removeIn(aside)
	_, err = s.store.Layers() // which removes what still is marked, or says why it cannot
	return true, err
}

// aside makes a directory for the files of layers that are being removed: where they were, somebody else's may come as soon as the lists are not
// locked any more. "" where there is no room for one.
func (s *Store) aside() string {
	temp, err := s.TempDir()
	if err != nil {
		return ""
	}
	dir, err := os.MkdirTemp(temp, "removed-")
	if err != nil {
		return ""
	}
	return dir
}

// removeIn removes what is in a directory, side by side. What cannot be removed is left to those who look for temporary files.
func removeIn(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for _, e := range entries {
		group.Go(func() error { return sys.RemoveAll(filepath.Join(dir, e.Name())) })
	}
	_ = group.Wait()
}

// takeImage removes the record of an image, and its layers, whose files it moves to aside. A process that is killed between leaves layers without an
// image, as the library does, or marked ones.
func (s *Store) takeImage(id string, layers []string, nameless bool, aside string) (taken bool, err error) {
	stack, err := s.lockList("layers")
	if err != nil {
		return false, err
	}
	defer stack.unlock()
	images, err := s.lockList("images")
	if err != nil {
		return false, err
	}
	defer images.unlock()
	if nameless && slices.ContainsFunc(images.records, func(r record) bool { return r.ID == id && len(r.Names) > 0 }) {
		return false, ErrNamed
	}
	volatile, err := s.readList("layers", "volatile-layers.json")
	if err != nil || !unused(id, layers, images.records, append(volatile, stack.records...)) {
		return false, err
	}
	if err := images.drop(id); err != nil {
		return false, err
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(s.listDir("images"), id)), stack.mark(layers, incomplete)); err != nil {
		return true, err
	}
	if s.takeFiles(layers, aside) != nil {
		return true, nil // the library removes what is marked
	}
	return true, stack.write(slices.DeleteFunc(slices.Clone(stack.records), func(r record) bool { return slices.Contains(layers, r.ID) }))
}

// takeFiles removes what there is of marked layers; what takes long is moved to aside, if there is such a place.
func (s *Store) takeFiles(layers []string, aside string) error {
	var errs []error
	for _, id := range layers {
		if aside != "" {
			_ = os.Rename(filepath.Join(s.layerDir(id), "diff"), filepath.Join(aside, id)) // what stays is removed where it is
		}
		errs = append(errs, s.displace(id), removeAll(filepath.Join(s.listDir("layers"), id)))
	}
	return errors.Join(errs...)
}

// unused says whether nothing but the image needs the layers: no other image, and no layer, which those of containers are too.
func unused(image string, layers []string, images, all []record) bool {
	for _, r := range all {
		if slices.Contains(layers, r.Parent) && !slices.Contains(layers, r.ID) {
			return false
		}
	}
	for _, r := range images {
		if r.ID != image && slices.ContainsFunc(append(r.Mapped, r.Top), func(id string) bool { return slices.Contains(layers, id) }) {
			return false
		}
	}
	return slices.ContainsFunc(images, func(r record) bool { return r.ID == image && len(r.Mapped) == 0 })
}

// drop removes a record.
func (l *list) drop(id string) error {
	return l.write(slices.DeleteFunc(slices.Clone(l.records), func(r record) bool { return r.ID == id }))
}

// mark sets a flag of records.
func (l *list) mark(ids []string, flag string) error {
	marked := slices.Clone(l.records)
	var errs []error
	for i := range marked {
		if slices.Contains(ids, marked[i].ID) {
			errs = append(errs, marked[i].set(flag))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return l.write(marked)
}
