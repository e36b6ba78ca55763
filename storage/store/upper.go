package store

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"go.podman.io/storage/pkg/archive"
	"go.podman.io/storage/pkg/idtools"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Upper is a container's writable layer.
type Upper struct {
	Dir string // the upper directory of an overlay mount, or a descriptor of a tree that stays
	// UIDMap and GIDMap translate the owners in Dir to those in the layer, for containers with a user
	// namespace of their own; nil changes nothing.
	UIDMap, GIDMap []idtools.IDMap
	Exclude        []string // paths, relative to Dir, that are left out
	// Take makes Dir itself the layer's directory. Nobody may use it any more, nor does it exist after that,
	// whether a layer was made or not.
	Take bool
	// Latest is what later times of modification become, in a layer that was taken; zero leaves them.
	Latest time.Time
	// EarlierToo has earlier times become Latest as well: all of them are the same.
	EarlierToo bool
	// Keep keeps the layer for later builds, as Store.Keep does.
	Keep bool
	// Merged says that Dir is what a container sees of all layers: there are no whiteouts in there, and overlayfs denies that there are marks
	// (before Linux 6.7 with an error that the library takes for one of the file).
	Merged bool
	// Changing says that somebody may be writing in Dir: what of it becomes the layer is chance.
	Changing bool
}

// CommitLayer makes a layer of a container's changes on top of parent: whiteouts (character devices
// 0/0) and opaque directories (trusted. or user.overlay.opaque) become those of the OCI image format.
func (s *Store) CommitLayer(ctx context.Context, parent string, upper Upper) (*Layer, error) {
	if upper.Changing && !upper.Take && upper.UIDMap == nil && upper.GIDMap == nil {
		var err error
		if upper, err = s.keepStill(ctx, upper); err != nil {
			return nil, layerError(ctx, err)
		}
	}
	take := upper.Take && upper.UIDMap == nil && upper.GIDMap == nil
	ready := check
	if take {
		ready = tidy
	}
	entries, err := ready(upper)
	if err != nil {
		return nil, layerError(ctx, tooLong(upper.Dir, err))
	}
	stream, err := s.upperTar(parent, upper)
	if err != nil {
		return nil, layerError(ctx, err)
	}
	staged, err := s.stageUpper(ctx, stream, upper.Dir, take)
	if err = errors.Join(err, stream.Close()); err != nil {
		return nil, err
	}
	if staged.entries < entries && !upper.Changing {
		return nil, layerError(ctx, errors.Join(errLeftOut(entries-staged.entries), staged.Discard()))
	}
	layer, err := s.commitOne(ctx, parent, staged, upper.Keep)
	if upper.Take {
		err = errors.Join(err, removeAll(upper.Dir)) // where it was copied
	}
	return layer, err
}

// errLeftOut is about the library, which leaves out of the tar what it cannot read, as where no more files can be opened, and goes on.
func errLeftOut(n int) error {
	return errdefs.Errorf(errdefs.ErrUnavailable, "%d of its files could not be read", n)
}

func (s *Store) upperTar(parent string, upper Upper) (io.ReadCloser, error) {
	below, err := s.trees(parent)
	if err != nil {
		return nil, err
	}
	whiteouts := archive.OverlayWhiteoutFormat
	if upper.Merged {
		whiteouts = archive.AUFSWhiteoutFormat // that of the tar: nothing becomes anything else
	}
	return archive.TarWithOptions(upper.Dir+"/.", &archive.TarOptions{ // of a link the library would read only that
		Compression:     archive.Uncompressed,
		WhiteoutFormat:  whiteouts,
		WhiteoutData:    below, // an opaque directory hides something only where there is one of its name below
		UIDMaps:         upper.UIDMap,
		GIDMaps:         upper.GIDMap,
		ExcludePatterns: upper.Exclude,
	})
}

// stageUpper reads the tar of an upper directory, and either takes the directory itself or unpacks the tar.
func (s *Store) stageUpper(ctx context.Context, stream io.Reader, dir string, take bool) (*Staged, error) {
	if !take || !s.besides(dir) {
		return s.Stage(ctx, stream, "")
	}
	staged, err := s.stage(&contextReader{ctx, stream}, func(c *content, tree string) error {
		if err := c.scan(nil); err != nil {
			return err
		}
		return errors.Join(os.Remove(tree), os.Rename(dir, tree))
	})
	if err != nil {
		return nil, layerError(ctx, err)
	}
	return staged, nil
}

// besides says whether dir can be renamed into the store.
func (s *Store) besides(dir string) bool {
	var here, there syscall.Stat_t
	if syscall.Stat(dir, &here) != nil || syscall.Stat(s.cfg.ImageRoot(), &there) != nil {
		return false
	}
	return here.Dev == there.Dev
}

// trees are the directories of a layer and of all below it, topmost first.
func (s *Store) trees(layer string) ([]string, error) {
	var all []string
	for id := layer; id != ""; {
		l, err := s.store.Layer(id)
		if err != nil {
			return nil, err
		}
		tree, err := s.tree(id)
		if err != nil {
			return nil, err
		}
		all = append(all, tree)
		id = l.Parent
	}
	return all, nil
}

// tree is the directory with a layer's files. The layer may be another store's.
func (s *Store) tree(id string) (string, error) {
	var err error
	for _, root := range append([]string{s.cfg.ImageRoot(), s.cfg.GraphRoot}, s.cfg.AdditionalStores...) {
		tree := filepath.Join(root, "overlay", id, "diff")
		if _, err = os.Stat(tree); err == nil {
			return tree, nil
		}
	}
	return "", err
}

// tidy makes a tree that a container wrote like one that was unpacked: without sockets, which no tar can have, and
// without what only served the mount. It counts what is below the root.
func tidy(upper Upper) (entries int, err error) {
	root, err := os.OpenRoot(upper.Dir) // links in there lead nowhere else
	if err != nil {
		return 0, err
	}
	defer closeJoined(&err, root)
	for _, path := range upper.Exclude {
		if err := root.RemoveAll(path); err != nil {
			return 0, err
		}
	}
	entries = -1 // the root
	err = filepath.WalkDir(upper.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := upper.allows(path, entry); err != nil {
			return err
		}
		if entry.Type() == fs.ModeSocket {
			return os.Remove(path)
		}
		entries++
		if err := sys.ForgetUpper(path); err != nil || upper.Latest.IsZero() {
			return err
		}
		return upper.setTime(path, entry)
	})
	return entries, err
}

// check looks for names that no layer can have in a tree that stays as it is, and counts what of it goes into a layer. Somebody may be writing in there.
func check(upper Upper) (entries int, err error) {
	entries = -1 // the root
	err = filepath.WalkDir(upper.Dir+"/.", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case slices.Contains(upper.Exclude, strings.TrimPrefix(path, upper.Dir+"/")):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.Type() != fs.ModeSocket {
			entries++
		}
		return upper.allows(path, entry)
	})
	return entries, err
}

// tooLong makes a sentence of a path that the kernel cannot be told (PATH_MAX), with the store's directory before it: whoever goes into directories one
// by one can make such a tree, and the library that reads it has whole paths.
func tooLong(dir string, err error) error {
	var at *fs.PathError
	if !errors.Is(err, syscall.ENAMETOOLONG) || !errors.As(err, &at) {
		return err
	}
	inside := strings.TrimPrefix(strings.TrimPrefix(at.Path, dir), "/.")
	return errdefs.Errorf(errdefs.ErrInvalid, "cannot have %.60s… in a layer: there are so many directories in each other that a path of %d bytes is too long for this system", inside, len(inside))
}

// allows says which names no layer can have. Those of whiteouts would delete another file wherever the layer is unpacked. Directories whose
// names are not UTF-8 are left out by the library that reads the tree, with all that is in them.
func (u *Upper) allows(path string, entry fs.DirEntry) error {
	inside := strings.TrimPrefix(path, u.Dir)
	if strings.HasPrefix(entry.Name(), archive.WhiteoutPrefix) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot have %s in a layer: in layers, names that begin with %s tell what is deleted; give it another name or leave it out",
			inside, archive.WhiteoutPrefix)
	}
	if entry.IsDir() && inside != "" && !utf8.ValidString(entry.Name()) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot have the directory %q in a layer: its name is not UTF-8; give it another name or leave it out", inside)
	}
	return nil
}

// setTime makes a file's time what it may be.
func (u *Upper) setTime(path string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil || !u.EarlierToo && !info.ModTime().After(u.Latest) {
		return err
	}
	stamp := syscall.NsecToTimespec(u.Latest.UnixNano())
	return sys.SetLinkTimes(path, stamp, stamp)
}
