package image

import (
	"context"
	"errors"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/common/libimage/manifests"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	lib "go.podman.io/storage"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/silence"
	"github.com/mosscontainers/moss/storage"
)

// A manifest list (an image index, as OCI has it) names one image for each of several platforms. In the store it is an
// image without layers and configuration, in the form that Podman and Buildah share.

// CreateListOptions are those of a new list.
type CreateListOptions struct {
	Registry
	All         bool // of a list, add every image
	Amend       bool // a list of this name may be there, and is added to
	Annotations map[string]string
}

// CreateList makes a list with a name and these images, and returns its id.
func (im *Images) CreateList(ctx context.Context, name string, images []string, o CreateListOptions) (id string, err error) {
	named, err := ParseName(name)
	if err != nil {
		return "", err
	}
	id, err = im.newList(named)
	if errors.Is(err, lib.ErrDuplicateName) {
		if !o.Amend {
			return "", errdefs.Errorf(errdefs.ErrConflict, "cannot create manifest list %s: there is an image of this name; use --amend to add to a list", named)
		}
		id, err = im.listID(name)
	}
	if err != nil {
		return "", explain(err, "create manifest list", name)
	}
	err = im.changeList(id, func(list manifests.List) error {
		if len(o.Annotations) > 0 {
			if err := list.SetAnnotations(nil, o.Annotations); err != nil {
				return err
			}
		}
		for _, image := range images {
			if _, err := im.addTo(ctx, list, image, AddOptions{Registry: o.Registry, All: o.All}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !o.Amend {
		_, deleteErr := im.library().DeleteImage(id, true)
		err = errors.Join(err, deleteErr)
	}
	return id, explain(err, "create manifest list", name)
}

// ExtendList adds local images, by their ids, to a list, which is made where there is none.
func (im *Images) ExtendList(ctx context.Context, name string, ids []string, annotations map[string]string) (*Assembled, error) {
	id, err := im.CreateList(ctx, name, ids, CreateListOptions{Annotations: annotations, Amend: true})
	if err != nil {
		return nil, err
	}
	raw, err := im.library().ImageBigData(id, lib.ImageDigestManifestBigDataNamePrefix)
	if err != nil {
		return nil, explain(err, "read manifest list", name)
	}
	return &Assembled{ID: id, Manifest: descriptorOf(manifest.GuessMIMEType(raw), raw)}, nil
}

func (im *Images) newList(named reference.Named) (id string, err error) {
	return manifests.Create().SaveToImage(im.library(), "", []string{named.String()}, v1.MediaTypeImageIndex)
}

// NewList makes a list of local images, by their ids, and gives it these names, which go over from what has them: what a
// build for several platforms ends with. Its id is the digest of what it says, unless a list of that id was changed since.
func (im *Images) NewList(ctx context.Context, called, ids []string, annotations map[string]string) (*Assembled, error) {
	full, err := fullNames(called)
	if err != nil {
		return nil, err
	}
	list := manifests.Create()
	for _, image := range ids {
		if _, err := im.addTo(ctx, list, image, AddOptions{}); err != nil {
			return nil, explain(err, "list image", names.Short(image))
		}
	}
	if err := annotate(list, nil, annotations); err != nil {
		return nil, explain(err, "annotate", "the manifest list")
	}
	raw, err := list.Serialize(v1.MediaTypeImageIndex)
	if err != nil {
		return nil, err
	}
	made := &Assembled{Manifest: descriptorOf(v1.MediaTypeImageIndex, raw)}
	if made.ID, err = im.saveList(list, made.Manifest.Digest); err != nil {
		return nil, explain(err, "record", "the manifest list")
	}
	return made, explain(im.library().AddNames(made.ID, full), "name", names.Short(made.ID))
}

// saveList records a list under its digest, or, where another is under that, under an id of the store's choice.
func (im *Images) saveList(list manifests.List, d digest.Digest) (string, error) {
	id := d.Encoded()
	there, err := im.library().ImageBigData(id, lib.ImageDigestManifestBigDataNamePrefix)
	switch {
	case err == nil && digest.FromBytes(there) == d:
		return id, nil
	case err == nil:
		id = ""
	case !errors.Is(err, lib.ErrImageUnknown):
		return "", err
	}
	return list.SaveToImage(im.library(), id, nil, v1.MediaTypeImageIndex)
}

// changeList lets change a list, which nobody else changes meanwhile.
func (im *Images) changeList(id string, change func(manifests.List) error) error {
	lock, err := manifests.LockerForImage(im.library(), id)
	if err != nil {
		return err
	}
	lock.Lock()
	defer lock.Unlock()
	_, list, err := manifests.LoadFromImage(im.library(), id)
	if err != nil {
		return err
	}
	if err := change(list); err != nil {
		return err
	}
	_, err = list.SaveToImage(im.library(), id, nil, "")
	return err
}

// listID finds a local list by its name or id.
func (im *Images) listID(name string) (string, error) {
	candidates, _ := storage.Candidates(im.cfg, name) // or by its id, if it is no name
	for _, candidate := range append(candidates, strings.TrimPrefix(name, "sha256:")) {
		img, err := im.library().Image(candidate)
		if errors.Is(err, lib.ErrImageUnknown) {
			continue
		}
		if err != nil {
			return "", explain(err, "find manifest list", name)
		}
		if _, _, err := manifests.LoadFromImage(im.library(), img.ID); err != nil {
			return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s as a manifest list: it is an image", name)
		}
		return img.ID, nil
	}
	return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot find manifest list %s: make it with `moss manifest create %s`", name, name)
}

// findAny is find, but what a list's name means is the list.
func (im *Images) findAny(name string) (*storage.Image, error) {
	id, err := im.listID(name)
	if err != nil {
		return im.find(name)
	}
	list, err := im.library().Image(id)
	if err != nil {
		return nil, explain(err, "find manifest list", name)
	}
	return &storage.Image{ID: list.ID, Names: list.Names}, nil
}

// ListExists says whether there is a local list of this name.
func (im *Images) ListExists(name string) (bool, error) {
	_, err := im.listID(name)
	if errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, errdefs.ErrInvalid) {
		return false, nil
	}
	return err == nil, err
}

// RemoveList removes a list, by its name or id, and not the images that it lists.
func (im *Images) RemoveList(name string) (id string, err error) {
	if id, err = im.listID(name); err != nil {
		return "", err
	}
	_, err = im.library().DeleteImage(id, true)
	return id, explain(err, "remove manifest list", name)
}

// InspectList is a list as it is kept: a local one, or else a registry's.
func (im *Images) InspectList(ctx context.Context, name string, r Registry) ([]byte, error) {
	id, err := im.listID(name)
	if err == nil {
		return im.library().ImageBigData(id, lib.ImageDigestManifestBigDataNamePrefix)
	}
	if !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrInvalid) {
		return nil, err
	}
	raw, _, err := im.remoteManifest(ctx, name, r)
	return raw, explain(err, "inspect", name)
}

// remoteManifest is a manifest as the registry has it.
func (im *Images) remoteManifest(ctx context.Context, name string, r Registry) (raw []byte, mime string, err error) {
	sys, err := im.systemContext(r, Platform{})
	if err != nil {
		return nil, "", err
	}
	ref, err := im.anyReference(name)
	if err != nil {
		return nil, "", err
	}
	err = silence.Watch(ctx, 0, func(ctx context.Context) error {
		raw, mime, err = manifestOf(ctx, ref, sys)
		return err
	})
	return raw, mime, err
}

func manifestOf(ctx context.Context, ref types.ImageReference, sys *types.SystemContext) (raw []byte, mime string, err error) {
	src, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return nil, "", err
	}
	defer closing(&err, src)
	return src.GetManifest(ctx, nil)
}

// anyReference is a local image, or what TRANSPORT:… says, or a registry's.
func (im *Images) anyReference(name string) (types.ImageReference, error) {
	if transport, rest := transportOf(name); transport != nil && transport.Name() != istorage.Transport.Name() {
		return im.parseReference(transport, rest)
	}
	if img, err := im.find(name); err == nil {
		return im.storeReference(nil, img.ID)
	}
	candidates, err := remoteNames(im.cfg, name)
	if err != nil {
		return nil, err
	}
	return docker.NewReference(candidates[0])
}

// digestOf is the digest of the manifest of an image by any name, or what name says it is.
func (im *Images) digestOf(ctx context.Context, name string, r Registry) (digest.Digest, error) {
	d, err := digest.Parse(name)
	if err == nil {
		return d, nil
	}
	if strings.HasPrefix(name, digest.Canonical.String()+":") { // no registry knows what was cut off
		return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot use %q as a digest: %w; write all of it", name, err)
	}
	raw, _, err := im.remoteManifest(ctx, name, r)
	if err != nil {
		return "", err
	}
	return manifest.Digest(raw)
}
