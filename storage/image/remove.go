package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	lib "go.podman.io/storage"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/store"
)

// InUse tells which containers of Moss use an image now. Nil is none. It is asked once before an image loses its pin
// and once after: who makes a container looks for the pin once more when the container is there, so that one of both
// sees the other.
type InUse func(imageID string) ([]string, error)

func (f InUse) users(imageID string) ([]string, error) {
	if f == nil {
		return nil, nil
	}
	return f(imageID)
}

// RemoveOptions are those of rmi.
type RemoveOptions struct {
	// Force removes an image by its id although it has several names, and with it the containers that
	// InUse knows, through Evict.
	Force bool
	InUse InUse
	// Evict removes those containers; nil: Force does not help against them.
	Evict func(ctx context.Context, imageID string) error
}

// Removed is what rmi did to one image.
type Removed struct {
	Untagged []string
	Deleted  string // id; "" where the image still has names
}

// Remove takes a name from an image, and removes the image with its last name or by its id. Kinds of
// error: ErrNotFound, ErrConflict (a container uses it, several names).
func (im *Images) Remove(ctx context.Context, name string, o RemoveOptions) (*Removed, error) {
	im.store.MakeRoom()
	img, err := im.findAny(name)
	if err != nil {
		if id := im.damagedID(name, err); id != "" {
			return im.delete(id, nil, nil, im.store.RemoveImage)
		}
		return nil, err
	}
	full := im.nameOf(img.Names, name)
	if full != "" && len(img.Names) > 1 {
		if err := im.library().RemoveNames(img.ID, []string{full}); err != nil {
			return nil, explain(err, "untag", name)
		}
		return &Removed{Untagged: []string{full}}, nil
	}
	if full == "" && len(img.Names) > 1 && !o.Force {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot remove image %s: it has the names %s; remove these, or use --force", name, strings.Join(img.Names, ", "))
	}
	if err := im.free(ctx, img.ID, name, o); err != nil {
		return nil, err
	}
	return im.delete(img.ID, img.Names, o.InUse, im.store.RemoveImage)
}

// damagedID is the id of an image that exists but cannot be used: it still can be removed.
func (im *Images) damagedID(name string, err error) string {
	if !errors.Is(err, errdefs.ErrDamaged) {
		return ""
	}
	candidates, _ := storage.Candidates(im.cfg, name) // by its id, if it is no name
	for _, candidate := range append(candidates, strings.TrimPrefix(name, "sha256:")) {
		if found, err := im.library().Image(candidate); err == nil {
			return found.ID
		}
	}
	return ""
}

// nameOf is the one of an image's names that name stands for, or "" if name is an id.
func (im *Images) nameOf(names []string, name string) string {
	candidates, err := storage.Candidates(im.cfg, name)
	if err != nil {
		return ""
	}
	for _, candidate := range candidates {
		if slices.Contains(names, candidate) {
			return candidate
		}
	}
	return ""
}

func (im *Images) free(ctx context.Context, id, name string, o RemoveOptions) error {
	users, err := o.InUse.users(id)
	if err != nil || len(users) == 0 {
		return err
	}
	if !o.Force || o.Evict == nil {
		return errdefs.Errorf(errdefs.ErrConflict, "cannot remove image %s: %s; remove that first, or use --force", name, usedBy(users))
	}
	return o.Evict(ctx, id)
}

func usedBy(containers []string) string {
	if len(containers) == 1 {
		return "container " + containers[0] + " uses it"
	}
	return "the containers " + strings.Join(containers, ", ") + " use it"
}

// delete removes the image's pin, which is ours, and the image.
func (im *Images) delete(id string, untagged []string, inUse InUse, remove func(id string) error) (*Removed, error) {
	if err := im.unpin(id, inUse); err != nil {
		return nil, err
	}
	err := remove(id)
	switch {
	case errors.Is(err, store.ErrNamed):
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot remove image %s: %w", names.Short(id), err)
	case errors.Is(err, lib.ErrImageUsedByContainer):
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot remove image %s: a container of Podman or Buildah uses it: %w", names.Short(id), err)
	case errors.Is(err, lib.ErrImageUnknown), errors.Is(err, lib.ErrNotAnImage): // which of them, depends on who was faster by how much
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot remove image %s: it is gone", names.Short(id))
	case errors.Is(err, lib.ErrLayerUnknown): // its layers were lost; its record has gone before they were missed
		return &Removed{Untagged: untagged, Deleted: id}, nil
	case err != nil:
		return nil, explain(err, "remove", "image "+names.Short(id))
	}
	return &Removed{Untagged: untagged, Deleted: id}, nil
}

// unpin removes the pin of an image that no container uses. ErrConflict: one came just now, and has its pin back.
func (im *Images) unpin(id string, inUse InUse) error {
	if err := im.store.Unpin(id); err != nil {
		return err
	}
	users, err := inUse.users(id)
	if err == nil && len(users) == 0 {
		return nil
	}
	if err == nil {
		err = errdefs.Errorf(errdefs.ErrConflict, "cannot remove image %s: %s; remove that first", names.Short(id), usedBy(users))
	}
	return errors.Join(err, im.store.Pin(id))
}

// Tag gives an image more names; they go over from whatever image has them.
func (im *Images) Tag(name string, names []string) error {
	img, err := im.findAny(name)
	if err != nil {
		return err
	}
	full, err := fullNames(names)
	if err != nil {
		return err
	}
	return explain(im.library().AddNames(img.ID, full), "tag", name)
}

// Untag takes these names from an image, or all of them if there are none.
func (im *Images) Untag(name string, names []string) error {
	img, err := im.findAny(name)
	if err != nil {
		return err
	}
	full := img.Names
	if len(names) > 0 {
		full = nil
		for _, n := range names {
			have := im.nameOf(img.Names, n)
			if have == "" {
				return errdefs.Errorf(errdefs.ErrNotFound, "cannot untag %s: it is not called %s", name, n)
			}
			full = append(full, have)
		}
	}
	return explain(im.library().RemoveNames(img.ID, full), "untag", name)
}

// PruneOptions choose the images that Prune removes.
type PruneOptions struct {
	All    bool // also those with a name that no container uses
	InUse  InUse
	Filter func(storage.Summary) bool // nil: every one
}

// Pruned is what Prune removed.
type Pruned struct {
	Deleted   []string // ids
	Reclaimed int64    // bytes, unpacked
}

// Prune removes images without a name, or with All every image that no container uses, and what Moss
// remembers of images.
func (im *Images) Prune(ctx context.Context, o PruneOptions) (*Pruned, error) {
	before, err := storage.DiskUsage(im.cfg.Storage, func(string) bool { return false })
	if err != nil {
		return nil, err
	}
	im.store.MakeRoom()
	result, failures, remove := &Pruned{}, []error{}, im.store.RemoveNameless
	if o.All {
		remove = im.store.RemoveImage
	}
	for _, img := range before.PerImage {
		if err := context.Cause(ctx); err != nil {
			return result, err
		}
		if ok, err := prunable(img.Summary, o); err != nil {
			return result, err
		} else if !ok {
			continue
		}
		if _, err := im.delete(img.ID, nil, o.InUse, remove); errors.Is(err, errdefs.ErrConflict) || errors.Is(err, errdefs.ErrNotFound) {
			continue // Podman's containers are not ours to judge, one of ours or a name came just now, or somebody was faster
		} else if err != nil {
			failures = append(failures, err)
			continue
		}
		result.Deleted = append(result.Deleted, img.ID)
	}
	after, err := storage.DiskUsage(im.cfg.Storage, func(string) bool { return false })
	if err != nil {
		return result, err
	}
	result.Reclaimed = before.Size - after.Size
	failures = append(failures, im.store.ForgetAnswers(), im.store.SweepTemps(), im.store.SweepLayers(), im.UnpinUnused(o.InUse))
	if err := errors.Join(failures...); err != nil {
		return result, fmt.Errorf("cannot prune all images: %w", err)
	}
	return result, nil
}

// UnpinUnused lets go of images that no container of Moss uses any more, so that Podman and Buildah can
// remove them. Removing a container does not do that itself: it would have to open the store.
func (im *Images) UnpinUnused(inUse InUse) error {
	im.store.MakeRoom()
	pinned, err := storage.PinnedImages(im.cfg.Storage)
	if err != nil {
		return err
	}
	var failures []error
	for _, id := range pinned {
		users, err := inUse.users(id)
		if err == nil && len(users) == 0 {
			err = im.unpin(id, inUse)
		}
		if !errors.Is(err, errdefs.ErrConflict) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

func prunable(img storage.Summary, o PruneOptions) (bool, error) {
	if img.ReadOnly || img.Listed || len(img.Names) > 0 && !o.All {
		return false, nil
	}
	if users, err := o.InUse.users(img.ID); err != nil || len(users) > 0 {
		return false, err
	}
	return o.Filter == nil || o.Filter(img), nil
}
