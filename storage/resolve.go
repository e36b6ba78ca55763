package storage

import (
	"errors"
	"slices"
	"strings"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Resolve finds a local image by name, NAME:TAG, NAME@DIGEST, id or the beginning of an id, and what
// is needed to mount it. It only reads files: it opens no store, takes no lock, and works where
// nothing can be written. What it found is remembered in GraphRoot/moss/cache for as long as no file
// that it depends on changes.
//
// The front program knows of no name what it means but of those that it finds remembered: for others it returns ErrNeedsFull.
//
// Kinds of error: ErrNotFound, ErrConflict (an id prefix of two images), ErrInvalid (not a name),
// ErrUnavailable (a driver other than overlay), ErrDamaged.
func Resolve(cfg *config.Config, name string) (*Image, error) {
	if err := runnable(cfg.Storage); err != nil {
		return nil, err
	}
	entry := cacheEntry(cfg, name)
	entry.read()
	if img := entry.image(); img != nil {
		return img, nil
	}
	err := entry.resolve(cfg, name)
	if errors.Is(err, errdefs.ErrDamaged) {
		// A writer may have removed the image between our reading of its two files.
		err = entry.resolve(cfg, name)
	}
	if err != nil {
		return nil, err
	}
	entry.write()
	return entry.Image, nil
}

// ErrNeedsFull is what the front program gets for a name that is not remembered: the full program knows more.
var ErrNeedsFull = errors.New("cannot look the image's name up here")

// runnable says what keeps containers from being run on this store.
func runnable(s config.Storage) error {
	if s.Driver != "overlay" {
		return errdefs.Errorf(errdefs.ErrUnavailable,
			"cannot use the storage driver %q: Moss runs containers on overlay only; set driver = \"overlay\" in storage.conf, or give another directory with --root", s.Driver)
	}
	return nil
}

func (c *cached) resolve(cfg *config.Config, name string) error {
	list := homes(cfg.Storage)
	c.Sources = nil
	for _, h := range list {
		if err := h.load(); err != nil {
			return err
		}
		c.Sources = append(c.Sources, h.sources...)
	}
	at, record, err := c.find(cfg, list, name)
	if err != nil {
		return err
	}
	if at, record, err = instance(list, at, record, here()); err != nil {
		return err
	}
	c.Image, err = complete(list, at, record)
	return err
}

// find looks for a full id, then for names, then for the beginning of an id.
func (c *cached) find(cfg *config.Config, list []*home, name string) (int, *imageRecord, error) {
	plain := withoutTransport(name)
	if id := strings.TrimPrefix(plain, "sha256:"); IsID(id) {
		return only(list, name, func(r *imageRecord) bool { return r.ID == id })
	}
	id := strings.TrimPrefix(plain, "sha256:")
	candidates, err := c.candidates(cfg, plain)
	if errors.Is(err, ErrNeedsFull) {
		return 0, nil, err
	}
	for _, candidate := range candidates {
		at, record, err := findName(list, candidate)
		if record != nil || err != nil {
			return at, record, err
		}
	}
	if isHex(id) {
		return only(list, name, func(r *imageRecord) bool { return strings.HasPrefix(r.ID, id) })
	}
	if err != nil {
		return 0, nil, err
	}
	return 0, nil, notFound(name)
}

// findName finds an image by its full name. NAME@DIGEST also finds an image of that repository whose
// manifest has the digest under whatever tag.
func findName(list []*home, name string) (int, *imageRecord, error) {
	for at, h := range list {
		for i := range h.images {
			if slices.Contains(h.images[i].Names, name) {
				return at, &h.images[i], nil
			}
		}
	}
	repository, digest, ok := strings.Cut(name, "@")
	if !ok {
		return 0, nil, nil
	}
	for at, h := range list {
		for i := range h.images {
			r := &h.images[i]
			if slices.Contains(r.digests(), digest) && slices.ContainsFunc(r.Names, func(n string) bool { return Repository(n) == repository }) {
				return at, r, nil
			}
		}
	}
	return 0, nil, nil
}

// only finds the one image that matches; the same image in two stores counts once.
func only(list []*home, name string, match func(*imageRecord) bool) (at int, found *imageRecord, err error) {
	for i, h := range list {
		for j := range h.images {
			r := &h.images[j]
			if !match(r) || found != nil && found.ID == r.ID {
				continue
			}
			if found != nil {
				return 0, nil, errdefs.Errorf(errdefs.ErrConflict, "cannot tell which image %q is: %s and %s begin so; give more digits", name, names.Short(found.ID), names.Short(r.ID))
			}
			at, found = i, r
		}
	}
	if found == nil {
		return 0, nil, notFound(name)
	}
	return at, found, nil
}

func withoutTransport(name string) string {
	for _, prefix := range []string{"docker://", "containers-storage:"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return rest
		}
	}
	return name
}
