package image

import (
	"context"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/oci/layout"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// LayoutDigest finds an image in a directory in OCI's layout by its tag; the only one needs none.
func LayoutDigest(dir, tag string) (digest.Digest, error) {
	list, err := layout.List(dir)
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot read the OCI layout %s: %w", dir, err)
	}
	if tag == "" && len(list) == 1 {
		return list[0].ManifestDescriptor.Digest, nil
	}
	if tag == "" {
		tag = "latest"
	}
	for _, one := range list {
		name := one.ManifestDescriptor.Annotations[v1.AnnotationRefName] // a tag, or a whole name with one
		if name == tag || strings.HasSuffix(name, ":"+tag) {
			return one.ManifestDescriptor.Digest, nil
		}
	}
	return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot find the image %s in the OCI layout %s: it has %d others", tag, dir, len(list))
}

// PullLayout brings an image of a directory in OCI's layout into the store, without a name. Of a list it is the platform's.
func (im *Images) PullLayout(ctx context.Context, dir string, d digest.Digest, o PullOptions) (Pulled, error) {
	list, err := layout.List(dir)
	if err != nil {
		return Pulled{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot read the OCI layout %s: %w", dir, err)
	}
	for i, one := range list {
		if one.ManifestDescriptor.Digest != d {
			continue
		}
		src, err := layout.NewIndexReference(dir, i)
		if err != nil {
			return Pulled{}, err
		}
		sys, err := im.systemContext(o.Registry, o.Platform)
		if err != nil {
			return Pulled{}, err
		}
		pulled, err := im.copyNameless(ctx, src, sys, o.Copying)
		return pulled, explain(err, "read the image in", dir)
	}
	return Pulled{}, errdefs.Errorf(errdefs.ErrNotFound, "cannot find %s in the OCI layout %s: its index.json does not name it", d, dir)
}
