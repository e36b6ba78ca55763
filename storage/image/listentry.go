package image

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/common/libimage/manifests"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/silence"
	"github.com/mosscontainers/moss/storage"
)

// Entry is what a list says of one of its images. Empty fields leave what there is.
type Entry struct {
	Platform
	OSVersion   string
	Features    []string
	OSFeatures  []string
	Annotations map[string]string
}

// AddOptions are those of adding to a list.
type AddOptions struct {
	Registry
	Entry
	All bool // of a list, add every image
}

// AddToList adds an image, which may be local or a registry's, to a list, and returns the list's id.
func (im *Images) AddToList(ctx context.Context, list, image string, o AddOptions) (id string, err error) {
	return im.editList(list, func(l manifests.List) error {
		_, err := im.addTo(ctx, l, image, o)
		return explain(err, "add "+image+" to manifest list", list)
	})
}

// editList is changeList of one that a user names.
func (im *Images) editList(list string, change func(manifests.List) error) (id string, err error) {
	if id, err = im.listID(list); err != nil {
		return "", err
	}
	return id, explain(im.changeList(id, change), "change manifest list", list)
}

func (im *Images) addTo(ctx context.Context, list manifests.List, image string, o AddOptions) (digest.Digest, error) {
	if id, err := im.listID(image); err == nil {
		if o.All {
			return "", im.addAll(ctx, list, id, o.Registry)
		}
		if image, err = o.Platform.image(im.cfg, id); err != nil {
			return "", err
		}
	}
	ref, err := im.anyReference(image)
	if err != nil {
		return "", err
	}
	return im.addReference(ctx, list, ref, o)
}

func (im *Images) addReference(ctx context.Context, list manifests.List, ref types.ImageReference, o AddOptions) (digest.Digest, error) {
	sys, err := im.systemContext(o.Registry, o.Platform)
	if err != nil {
		return "", err
	}
	d, err := silence.Ask(ctx, func(ctx context.Context) (digest.Digest, error) { return list.Add(ctx, sys, ref, o.All) })
	if err != nil {
		return "", err
	}
	return d, o.set(list, d)
}

// addAll adds all images of a local list, with what that says of them. They may be local, or a registry's.
func (im *Images) addAll(ctx context.Context, list manifests.List, from string, r Registry) error {
	_, other, err := manifests.LoadFromImage(im.library(), from)
	if err != nil {
		return err
	}
	places, err := im.placesOf(from)
	if err != nil {
		return err
	}
	for _, m := range other.OCIv1().Manifests {
		ref := places[m.Digest]
		if ref == nil {
			return errdefs.Errorf(errdefs.ErrNotFound, "cannot find %s of manifest list %s: it is no image here, nor one of a registry", m.Digest, names.Short(from))
		}
		entry := Entry{Annotations: m.Annotations}
		if p := m.Platform; p != nil {
			entry.Platform = Platform{OS: p.OS, Arch: p.Architecture, Variant: p.Variant}
			entry.OSVersion, entry.OSFeatures = p.OSVersion, p.OSFeatures
		}
		if _, err := im.addReference(ctx, list, ref, AddOptions{Registry: r, Entry: entry}); err != nil {
			return err
		}
	}
	return nil
}

// placesOf are the images of a local list: those that are here, and those in registries, as the library notes them.
func (im *Images) placesOf(list string) (map[digest.Digest]types.ImageReference, error) {
	raw, err := im.library().ImageBigData(list, "instances.json")
	if err != nil {
		return nil, err
	}
	var noted map[digest.Digest]string
	if err := json.Unmarshal(raw, &noted); err != nil {
		return nil, err
	}
	places := map[digest.Digest]types.ImageReference{}
	for d, name := range noted {
		named, err := reference.ParseNormalizedNamed(strings.TrimPrefix(name, "docker://"))
		if !strings.HasPrefix(name, "docker://") || err != nil {
			continue
		}
		if one, err := reference.WithDigest(reference.TrimNamed(named), d); err == nil {
			if places[d], err = docker.NewReference(one); err != nil {
				return nil, err
			}
		}
	}
	listed, err := storage.ListedIn(im.cfg.Storage, list)
	if err != nil {
		return nil, err
	}
	for _, one := range listed {
		if one.ID == "" {
			continue
		}
		if places[digest.Digest(one.Digest)], err = im.storeReference(nil, one.ID); err != nil {
			return nil, err
		}
	}
	return places, nil
}

// set writes what is not empty.
func (e Entry) set(list manifests.List, d digest.Digest) error {
	for _, text := range []struct {
		value string
		set   func(digest.Digest, string) error
	}{{e.OS, list.SetOS}, {e.Arch, list.SetArchitecture}, {e.Variant, list.SetVariant}, {e.OSVersion, list.SetOSVersion}} {
		if text.value == "" {
			continue
		}
		if err := text.set(d, text.value); err != nil {
			return err
		}
	}
	if len(e.Features) > 0 {
		if err := list.SetFeatures(d, e.Features); err != nil {
			return err
		}
	}
	if len(e.OSFeatures) > 0 {
		if err := list.SetOSFeatures(d, e.OSFeatures); err != nil {
			return err
		}
	}
	return annotate(list, &d, e.Annotations)
}

// annotate adds annotations to those of an image, or of the list where d is nil.
func annotate(list manifests.List, d *digest.Digest, more map[string]string) error {
	if len(more) == 0 {
		return nil
	}
	have, err := list.Annotations(d)
	if err != nil {
		return err
	}
	all := maps.Clone(have)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, more)
	return list.SetAnnotations(d, all)
}

// AnnotateOptions are those of annotating a list.
type AnnotateOptions struct {
	Registry
	Entry
	Index   bool   // the annotations are the list's own
	Subject string // what the list is about: the name of an image
}

// AnnotateList changes what a list says of an image, which is given by its digest, or by a name that leads to it.
func (im *Images) AnnotateList(ctx context.Context, list, image string, o AnnotateOptions) (id string, err error) {
	return im.editList(list, func(l manifests.List) error {
		if o.Subject != "" {
			if err := im.setSubject(ctx, l, o); err != nil {
				return err
			}
		}
		if o.Index {
			return annotate(l, nil, o.Annotations)
		}
		if image == "" {
			return nil
		}
		d, err := im.entryOf(ctx, l, list, image, o.Registry)
		if err != nil {
			return err
		}
		return o.set(l, d)
	})
}

func (im *Images) setSubject(ctx context.Context, list manifests.List, o AnnotateOptions) error {
	raw, mime, err := im.remoteManifest(ctx, o.Subject, o.Registry)
	if err != nil {
		return err
	}
	return list.SetSubject(&v1.Descriptor{MediaType: mime, Digest: digest.FromBytes(raw), Size: int64(len(raw))})
}

// entryOf is the digest of one of a list's images.
func (im *Images) entryOf(ctx context.Context, l manifests.List, list, image string, r Registry) (digest.Digest, error) {
	d, err := l.InstanceByFile(image) // of an artifact
	if err != nil {
		d, err = im.digestOf(ctx, image, r)
	}
	if err != nil {
		return "", err
	}
	if !slices.Contains(l.Instances(), d) {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot find %s in manifest list %s: see `moss manifest inspect %s`", image, list, list)
	}
	return d, nil
}

// RemoveFromList takes an image, by its digest or a name, from a list.
func (im *Images) RemoveFromList(ctx context.Context, list, image string) (id string, err error) {
	return im.editList(list, func(l manifests.List) error {
		d, err := im.entryOf(ctx, l, list, image, Registry{})
		if err != nil {
			return err
		}
		return l.Remove(d)
	})
}

// Artifact is files that a list names beside its images.
type Artifact struct {
	Type, LayerType    string // media types; "" is the library's guess
	Config, ConfigType string
	Subject            string // what it is about: the name of an image
	ExcludeTitles      bool   // do not name the files
}

// AddArtifactToList adds files as one artifact to a list.
func (im *Images) AddArtifactToList(ctx context.Context, list string, files []string, a Artifact, o AddOptions) (id string, err error) {
	return im.editList(list, func(l manifests.List) error {
		sys, err := im.systemContext(o.Registry, o.Platform)
		if err != nil {
			return err
		}
		options, err := im.artifactOptions(a, o)
		if err != nil {
			return err
		}
		d, err := silence.Ask(ctx, func(ctx context.Context) (digest.Digest, error) { // its subject is a registry's
			return l.AddArtifact(ctx, sys, options, files...)
		})
		if err != nil {
			return err
		}
		return o.set(l, d)
	})
}

func (im *Images) artifactOptions(a Artifact, o AddOptions) (manifests.AddArtifactOptions, error) {
	options := manifests.AddArtifactOptions{
		Platform:    v1.Platform{OS: o.OS, Architecture: o.Arch, Variant: o.Variant, OSVersion: o.OSVersion, OSFeatures: o.OSFeatures},
		Annotations: o.Annotations, ExcludeTitles: a.ExcludeTitles,
	}
	if a.Type != "" {
		options.ManifestArtifactType = &a.Type
	}
	if a.LayerType != "" {
		options.LayerMediaType = &a.LayerType
	}
	if err := configOf(a, &options); err != nil || a.Subject == "" {
		return options, err
	}
	ref, err := im.anyReference(a.Subject)
	options.SubjectReference = ref
	return options, err
}
