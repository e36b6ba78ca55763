// Package image moves images: between registries, archives, directories and the local store. It is a
// thin layer over go.podman.io/image, which speaks every transport and checks every digest; what is
// ours is names, defaults, retries, errors for people, and images made here (import, commit).
package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.podman.io/image/v5/docker/reference"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	lib "go.podman.io/storage"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/store"
)

// Images is an opened store and the configuration that images are moved with. It needs the user
// namespace.
type Images struct {
	cfg   *config.Config
	store *store.Store
}

// Open opens the store of cfg. Close it.
func Open(ctx context.Context, cfg *config.Config) (*Images, error) {
	store, err := store.Open(ctx, cfg.Storage)
	if err != nil {
		return nil, err
	}
	return &Images{cfg: cfg, store: store}, nil
}

// Close lets go of the store.
func (im *Images) Close() error { return im.store.Close() }

// Store is the opened store.
func (im *Images) Store() *store.Store { return im.store }

func (im *Images) library() lib.Store { return im.store.Library() }

// storeReference names an image in the local store; named may be nil where id is given.
func (im *Images) storeReference(named reference.Named, id string) (types.ImageReference, error) {
	return istorage.Transport.NewStoreReference(im.library(), named, id)
}

// find is storage.Resolve: every verb means the same image by the same name.
func (im *Images) find(name string) (*storage.Image, error) { return storage.Resolve(im.cfg, name) }

// localReference names a local image for copying it elsewhere.
func (im *Images) localReference(name string) (types.ImageReference, *storage.Image, error) {
	img, err := im.find(name)
	if err != nil {
		return nil, nil, err
	}
	ref, err := im.storeReference(nil, img.ID)
	return ref, img, err
}

// ParseName makes a full name with a tag of what a user gave for a new image: a name without a
// registry belongs to localhost.
func ParseName(name string) (reference.Named, error) {
	ref, err := reference.Parse(name)
	if named, ok := ref.(reference.Named); err == nil && ok && !hasRegistry(named) {
		name = "localhost/" + name
	}
	full, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use %q as the name of an image: %w", name, err)
	}
	if _, digested := full.(reference.Digested); digested {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use %q as the name of an image: a digest cannot be chosen; give a tag", name)
	}
	return reference.TagNameOnly(full), nil
}

// hasRegistry: the part before the first slash is a registry if it looks like a host.
func hasRegistry(named reference.Named) bool {
	domain := reference.Domain(named)
	if domain == "localhost" {
		return true
	}
	for _, c := range domain {
		if c == '.' || c == ':' {
			return true
		}
	}
	return false
}

// closing joins the error of an operation with that of closing what it used.
func closing(err *error, c io.Closer) {
	if closeErr := c.Close(); closeErr != nil && (*err == nil || !strings.Contains((*err).Error(), closeErr.Error())) { // a full disk is told once
		*err = errors.Join(*err, fmt.Errorf("cannot close: %w", closeErr))
	}
}
