package image

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/common/libimage/manifests"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/silence"
)

// CombineOptions are those of an index that is made of what registries have.
type CombineOptions struct {
	Copying
	To          []string          // names in registries
	Annotations map[string]string // of the index
	// Entries are annotations of what the index lists, by platform, as platforms.Format writes it; "" is of all.
	Entries   map[string]map[string]string
	Platforms []string // leave others out; empty is all
	Alone     bool     // a single image stays one, and does not become an index of one
	DryRun    bool     // write nothing
}

// Combine makes one index of images and indexes in registries, and writes it to registries with all that it lists. One index of
// which nothing changes is copied as it is. It returns what was, or would be, written. Nothing stays in the store.
func (im *Images) Combine(ctx context.Context, sources []string, o CombineOptions) (raw []byte, mime string, err error) {
	if len(sources) == 1 && len(o.Annotations)+len(o.Entries)+len(o.Platforms) == 0 {
		raw, mime, err := im.RegistryManifest(ctx, sources[0], o.Registry)
		if err != nil || manifest.MIMETypeIsMultiImage(mime) || o.Alone {
			return raw, mime, errors.Join(err, im.copyWhole(ctx, sources[0], o, err != nil))
		}
	}
	list := manifests.Create()
	for _, name := range sources {
		if err := im.addRemote(ctx, list, name, o.Registry); err != nil {
			return nil, "", explain(err, "use", name)
		}
	}
	if err := o.edit(list); err != nil {
		return nil, "", err
	}
	if raw, err = list.Serialize(""); err != nil || o.DryRun {
		return raw, manifest.GuessMIMEType(raw), err
	}
	return raw, manifest.GuessMIMEType(raw), im.sendList(ctx, list, o)
}

// RegistryManifest is the manifest, or the index, that a registry has under a name.
func (im *Images) RegistryManifest(ctx context.Context, name string, r Registry) (raw []byte, mime string, err error) {
	ref, err := im.inRegistry(name)
	if err != nil {
		return nil, "", err
	}
	sys, err := im.systemContext(r, Platform{})
	if err != nil {
		return nil, "", err
	}
	err = silence.Watch(ctx, 0, func(ctx context.Context) error {
		raw, mime, err = manifestOf(ctx, ref, sys)
		return err
	})
	return raw, mime, explain(err, "inspect", name)
}

// inRegistry is what a registry has under a name, whatever the store has.
func (im *Images) inRegistry(name string) (types.ImageReference, error) {
	candidates, err := remoteNames(im.cfg, name)
	if err != nil {
		return nil, err
	}
	return docker.NewReference(candidates[0])
}

func (im *Images) addRemote(ctx context.Context, list manifests.List, name string, r Registry) error {
	ref, err := im.inRegistry(name)
	if err != nil {
		return err
	}
	sys, err := im.systemContext(r, Platform{})
	if err != nil {
		return err
	}
	_, err = silence.Ask(ctx, func(ctx context.Context) (digest.Digest, error) { return list.Add(ctx, sys, ref, true) })
	return err
}

// edit leaves platforms out, and annotates.
func (o *CombineOptions) edit(list manifests.List) error {
	for _, d := range list.Instances() {
		name, err := platformIn(list, d)
		if err != nil {
			return err
		}
		if len(o.Platforms) > 0 && !slices.Contains(o.Platforms, name) {
			if err := list.Remove(d); err != nil {
				return err
			}
			continue
		}
		for of, annotations := range o.Entries {
			if of != "" && of != name {
				continue
			}
			if err := annotate(list, &d, annotations); err != nil {
				return err
			}
		}
	}
	if len(list.Instances()) == 0 {
		return errdefs.Errorf(errdefs.ErrNotFound, "cannot make an index: none of the images is for %s", strings.Join(o.Platforms, " or "))
	}
	return annotate(list, nil, o.Annotations)
}

// platformIn is the platform that a list says an image is for.
func platformIn(list manifests.List, d digest.Digest) (string, error) {
	var p v1.Platform
	for _, part := range []struct {
		to  *string
		get func(digest.Digest) (string, error)
	}{{&p.OS, list.OS}, {&p.Architecture, list.Architecture}, {&p.Variant, list.Variant}} {
		var err error
		if *part.to, err = part.get(d); err != nil {
			return "", err
		}
	}
	return platforms.Format(platforms.Normalize(p)), nil
}

// sendList writes a list to registries. The library wants it to be in the store meanwhile, without a name.
func (im *Images) sendList(ctx context.Context, list manifests.List, o CombineOptions) error {
	id, err := list.SaveToImage(im.library(), "", nil, "")
	if err != nil {
		return explain(err, "record", "the index")
	}
	for _, name := range o.To {
		dst, pushErr := registryReference("push to", name)
		if pushErr == nil {
			_, pushErr = im.pushList(ctx, list, dst, PushListOptions{PushOptions: PushOptions{Copying: o.Copying}})
		}
		if err = explain(pushErr, "push to", name); err != nil {
			break
		}
	}
	_, removeErr := im.library().DeleteImage(id, true)
	return errors.Join(err, explain(removeErr, "remove", "the index that was sent"))
}

// copyWhole copies an image, or an index with all that it lists, from registry to registry as it is.
func (im *Images) copyWhole(ctx context.Context, name string, o CombineOptions, skip bool) error {
	if skip || o.DryRun {
		return nil
	}
	src, err := im.inRegistry(name)
	if err != nil {
		return err
	}
	sys, err := im.systemContext(o.Registry, Platform{})
	if err != nil {
		return err
	}
	for _, to := range o.To {
		dst, err := registryReference("push to", to)
		if err != nil {
			return err
		}
		t := transfer{src: src, dst: dst, srcSys: sys, dstSys: sys, allPlatforms: true, preserve: true}
		if _, _, err := im.copy(ctx, t, o.Copying); err != nil {
			return explain(err, "copy "+name+" to", to)
		}
	}
	return nil
}
