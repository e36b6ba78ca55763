package image

import (
	"strings"

	"go.podman.io/image/v5/docker/reference"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
)

// CheckPlatform is the package's CheckPlatform.
func (im *Images) CheckPlatform(name, platform string) error {
	return CheckPlatform(im.cfg, name, platform)
}

// CheckPlatform says whether a local image is of a platform, as in linux/arm64: ErrNotFound if not. "" is any.
func CheckPlatform(cfg *config.Config, name, platform string) error {
	if platform == "" {
		return nil
	}
	want, err := ParsePlatform(platform)
	if err != nil {
		return err
	}
	_, doc, err := document(cfg, name)
	if err != nil {
		return err
	}
	if want.OS != doc.OS || want.Arch != doc.Architecture || want.Variant != "" && want.Variant != doc.Variant {
		return errdefs.Errorf(errdefs.ErrNotFound, "cannot use image %s for %s: the one in the local store is for %s/%s; pull it with --platform first", name, platform, doc.OS, doc.Architecture)
	}
	return nil
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
