package build

import (
	"context"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/image"
)

// layoutScheme begins the names of images in directories: oci-layout://DIRECTORY@DIGEST.
const layoutScheme = "oci-layout://"

// layoutName is the name of an image in a directory, given what the front end calls both. Whatever the reference says beside a digest is
// the front end's own invention.
func (s *solver) layoutName(id, ref string) (string, error) {
	dir, ok := s.opts.Layouts[id]
	_, d, pinned := strings.Cut(ref, "@")
	if !ok || !pinned {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot read the image %s of an OCI layout: the build was given none of that name", ref)
	}
	return layoutScheme + dir + "@" + d, nil
}

// layout is an operation that begins with such an image.
func (t *step) layout(ctx context.Context, op *pb.SourceOp) ([]result, error) {
	name, err := t.layoutName(op.Attrs[pb.AttrOCILayoutStoreID], op.Identifier)
	if err != nil {
		return nil, err
	}
	b, err := t.base(ctx, name, platformOf(t.v.Op.Platform))
	if err != nil {
		return nil, err
	}
	return []result{{layers: b.layers}}, nil
}

// pullLayout brings the image into the store, where it has no name.
func (s *solver) pullLayout(ctx context.Context, name string, p v1.Platform) (*storage.Image, error) {
	images, err := s.images()
	if err != nil {
		return nil, err
	}
	at := strings.LastIndex(name, "@")
	pulled, err := images.PullLayout(ctx, strings.TrimPrefix(name[:at], layoutScheme), digest.Digest(name[at+1:]), image.PullOptions{
		Copying: s.opts.Registry, Platform: image.Platform{OS: p.OS, Arch: p.Architecture, Variant: p.Variant},
	})
	if err != nil {
		return nil, err
	}
	return storage.Resolve(s.engine.Config, pulled.ID)
}
