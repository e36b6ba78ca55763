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
	"go.podman.io/image/v5/image"
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
// which nothing changes is copied as it is. It returns what was, or would be, written. Nothing of it is in the store at any time.
func (im *Images) Combine(ctx context.Context, sources []string, o CombineOptions) (raw []byte, mime string, err error) {
	if len(sources) == 1 && len(o.Annotations)+len(o.Entries)+len(o.Platforms) == 0 {
		raw, mime, err := im.RegistryManifest(ctx, sources[0], o.Registry)
		if err != nil {
			return nil, "", err
		}
		if manifest.MIMETypeIsMultiImage(mime) || o.Alone {
			return raw, mime, im.copyWhole(ctx, sources[0], o)
		}
	}
	bundle := im.NewBundle()
	defer func() { err = errors.Join(err, bundle.closeRemotes()) }()
	list := manifests.Create()
	for _, name := range sources {
		if err := im.addRemote(ctx, list, bundle, name, o.Registry); err != nil {
			return nil, "", explain(err, "use", name)
		}
	}
	if err := o.edit(list); err != nil {
		return nil, "", err
	}
	if raw, err = list.Serialize(""); err != nil {
		return nil, "", err
	}
	mime = manifest.GuessMIMEType(raw)
	bundle.AddManifest(mime, raw)
	return raw, mime, im.sendWhole(ctx, bundle, "the index", o)
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

// addRemote adds what a registry has under a name to a list, and where it is to a bundle, if the signature policy allows it.
func (im *Images) addRemote(ctx context.Context, list manifests.List, bundle *Bundle, name string, r Registry) error {
	ref, err := im.inRegistry(name)
	if err != nil {
		return err
	}
	sys, err := im.systemContext(r, Platform{})
	if err != nil {
		return err
	}
	return silence.Watch(ctx, 0, func(ctx context.Context) error {
		source, err := ref.NewImageSource(ctx, sys)
		if err != nil {
			return err
		}
		bundle.remotes = append(bundle.remotes, source)
		if err := allowedToRun(ctx, source, sys); err != nil {
			return err
		}
		_, err = list.Add(ctx, sys, ref, true)
		return err
	})
}

func allowedToRun(ctx context.Context, source types.ImageSource, sys *types.SystemContext) (err error) {
	policy, err := newPolicy(sys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, policy.Destroy()) }()
	_, err = policy.IsRunningImageAllowed(ctx, image.UnparsedInstance(source, nil))
	return err
}

func (b *Bundle) closeRemotes() (err error) {
	for _, remote := range b.remotes {
		err = errors.Join(err, remote.Close())
	}
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

// copyWhole copies an image, or an index with all that it lists, from registry to registry as it is.
func (im *Images) copyWhole(ctx context.Context, name string, o CombineOptions) error {
	src, err := im.inRegistry(name)
	if err != nil {
		return err
	}
	return im.sendWhole(ctx, src, name, o)
}

func (im *Images) sendWhole(ctx context.Context, src types.ImageReference, name string, o CombineOptions) error {
	if o.DryRun {
		return nil
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
