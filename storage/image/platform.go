package image

import (
	"cmp"
	"fmt"
	"runtime"
	"strings"

	"go.podman.io/image/v5/docker/reference"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
)

// ForPlatform is the package's ForPlatform.
func (im *Images) ForPlatform(name, platform string) (string, error) {
	return ForPlatform(im.cfg, name, platform)
}

// ForPlatform is the id of what name means on a platform, as in linux/arm64: of a local list the image for that, and of an image that
// itself, if it is for that: ErrNotFound if not. Without a platform it is name.
func ForPlatform(cfg *config.Config, name, platform string) (string, error) {
	if platform == "" {
		return name, nil
	}
	want, err := ParsePlatform(platform)
	if err != nil {
		return "", err
	}
	return want.image(cfg, name)
}

// image is the id of what name means on the platform.
func (p Platform) image(cfg *config.Config, name string) (string, error) {
	if p == (Platform{}) {
		img, err := storage.Resolve(cfg, name)
		if err != nil {
			return "", err
		}
		return img.ID, nil
	}
	p.OS, p.Arch = cmp.Or(p.OS, runtime.GOOS), cmp.Or(p.Arch, runtime.GOARCH)
	want := storage.Platform{OS: p.OS, Architecture: p.Arch, Variant: p.Variant}
	id, err := storage.Instance(cfg, name, want)
	if err != nil {
		return "", err
	}
	_, doc, err := document(cfg, id)
	if err != nil {
		return "", err
	}
	if !(storage.Platform{OS: doc.OS, Architecture: doc.Architecture, Variant: doc.Variant}).Matches(want) {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot use image %s for %s: the one in the local store is for %s/%s; pull it with --platform first", name, p, doc.OS, doc.Architecture)
	}
	return id, nil
}

// Mismatches are warnings about images that were pulled for a platform and are for another one: a registry that has one image gives that,
// whoever asks.
func (im *Images) Mismatches(pulled []Pulled, p Platform) (warnings []string) {
	if p == (Platform{}) {
		return nil
	}
	want := storage.Platform{OS: cmp.Or(p.OS, runtime.GOOS), Architecture: cmp.Or(p.Arch, runtime.GOARCH), Variant: p.Variant}
	for _, one := range pulled {
		_, doc, err := document(im.cfg, one.ID)
		if err != nil || (storage.Platform{OS: doc.OS, Architecture: doc.Architecture, Variant: doc.Variant}).Matches(want) {
			continue
		}
		is, asked := Platform{doc.OS, doc.Architecture, doc.Variant}, Platform{want.OS, want.Architecture, want.Variant}
		warnings = append(warnings, fmt.Sprintf("%s is for %s, and there is none for %s", one.Name, is, asked))
	}
	return warnings
}

// OwnName is the full name under which a local image or list is pushed by the name that a user gives it.
func (im *Images) OwnName(name string) (string, error) {
	img, err := im.findAny(name)
	if err != nil {
		return "", err
	}
	return im.ownDestination(name, img.Names)
}

// AllTags are the full names that the store has of the repository that name means.
func (im *Images) AllTags(name string) ([]string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil || !reference.IsNameOnly(named) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot find all tags of %q: give a repository without a tag", name)
	}
	candidates, err := storage.Candidates(im.cfg, name)
	if err != nil {
		return nil, err
	}
	all, err := storage.ListImages(im.cfg.Storage)
	if err != nil {
		return nil, err
	}
	for _, candidate := range candidates {
		if tags := tagsIn(all, storage.Repository(candidate)); len(tags) > 0 {
			return tags, nil
		}
	}
	return nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot find %s: the local store has no tag of it", name)
}

func tagsIn(all []storage.Summary, repository string) []string {
	var tags []string
	for _, img := range all {
		for _, name := range img.Names {
			if storage.Repository(name) == repository && !strings.Contains(name, "@") {
				tags = append(tags, name)
			}
		}
	}
	return tags
}
