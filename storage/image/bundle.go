package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/types"
	lib "go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"
)

// Bundle is something to send that is no image of the store: manifests and small blobs in memory, and layers that are in the
// store. Nothing of it is copied before it is sent. It is a reference that go.podman.io/image can copy from.
type Bundle struct {
	images    *Images
	top       digest.Digest
	manifests map[digest.Digest]v1.Descriptor // with Data
	blobs     map[digest.Digest][]byte
	layers    map[digest.Digest]string // by their content: ids in the store
	remotes   []types.ImageSource      // have what is not here
}

var (
	_ types.ImageReference = (*Bundle)(nil)
	_ types.ImageSource    = (*bundleSource)(nil)
)

// NewBundle is an empty bundle.
func (im *Images) NewBundle() *Bundle {
	return &Bundle{images: im, manifests: map[digest.Digest]v1.Descriptor{}, blobs: map[digest.Digest][]byte{}, layers: map[digest.Digest]string{}}
}

// AddImage adds an image and makes it what is sent.
func (b *Bundle) AddImage(a Assembly) (v1.Descriptor, error) {
	raw, config, err := b.images.manifestOf(a)
	if err != nil {
		return v1.Descriptor{}, err
	}
	b.blobs[config] = a.Config
	for _, id := range a.Layers {
		if _, err := b.AddLayer(id); err != nil {
			return v1.Descriptor{}, err
		}
	}
	return b.AddManifest(a.manifestType(), raw), nil
}

// AddLayer adds a layer of the store.
func (b *Bundle) AddLayer(id string) (v1.Descriptor, error) {
	l, err := b.images.library().Layer(id)
	if err != nil {
		return v1.Descriptor{}, explain(err, "read", "layer "+id)
	}
	b.layers[l.UncompressedDigest] = id
	return v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: l.UncompressedDigest, Size: l.UncompressedSize}, nil
}

// AddBlob adds a blob of some type.
func (b *Bundle) AddBlob(mediaType string, data []byte) v1.Descriptor {
	d := descriptorOf(mediaType, data)
	b.blobs[d.Digest] = data
	return d
}

// AddManifest adds a manifest or an index and makes it what is sent.
func (b *Bundle) AddManifest(mediaType string, raw []byte) v1.Descriptor {
	d := descriptorOf(mediaType, raw)
	b.top = d.Digest
	full := d
	full.Data = raw
	b.manifests[d.Digest] = full
	return d
}

func descriptorOf(mediaType string, data []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

// Transport has the name that errors show.
func (b *Bundle) Transport() types.ImageTransport { return bundleTransport{} }

// StringWithinTransport is the digest of what is sent.
func (b *Bundle) StringWithinTransport() string { return b.top.String() }

// DockerReference is none: a bundle has no name.
func (b *Bundle) DockerReference() reference.Named { return nil }

// PolicyConfigurationIdentity is none: what was made here needs no signature.
func (b *Bundle) PolicyConfigurationIdentity() string { return "" }

// PolicyConfigurationNamespaces are none.
func (b *Bundle) PolicyConfigurationNamespaces() []string { return nil }

// NewImage is the image that is sent.
func (b *Bundle) NewImage(ctx context.Context, sys *types.SystemContext) (types.ImageCloser, error) {
	return image.FromSource(ctx, sys, &bundleSource{b})
}

// NewImageSource reads the bundle.
func (b *Bundle) NewImageSource(context.Context, *types.SystemContext) (types.ImageSource, error) {
	return &bundleSource{b}, nil
}

// NewImageDestination is not there: bundles are made otherwise.
func (b *Bundle) NewImageDestination(context.Context, *types.SystemContext) (types.ImageDestination, error) {
	return nil, errors.ErrUnsupported
}

// DeleteImage does nothing: a bundle goes with its process.
func (b *Bundle) DeleteImage(context.Context, *types.SystemContext) error { return nil }

// bundleTransport is what the library wants to know of a kind of references.
type bundleTransport struct{}

// Name is what errors show.
func (bundleTransport) Name() string { return "moss-build" }

// ParseReference knows no names.
func (bundleTransport) ParseReference(string) (types.ImageReference, error) {
	return nil, errors.ErrUnsupported
}

// ValidatePolicyConfigurationScope takes none.
func (bundleTransport) ValidatePolicyConfigurationScope(string) error { return errors.ErrUnsupported }

// bundleSource reads a bundle.
type bundleSource struct{ bundle *Bundle }

// Reference is the bundle.
func (s *bundleSource) Reference() types.ImageReference { return s.bundle }

// Close has nothing to do.
func (s *bundleSource) Close() error { return nil }

// GetManifest gives a manifest, or what is sent.
func (s *bundleSource) GetManifest(ctx context.Context, instance *digest.Digest) (raw []byte, mime string, err error) {
	d := s.bundle.top
	if instance != nil {
		d = *instance
	}
	if m, ok := s.bundle.manifests[d]; ok {
		return slices.Clone(m.Data), m.MediaType, nil
	}
	err = fmt.Errorf("there is no manifest %s", d)
	for _, remote := range s.bundle.remotes {
		if raw, mime, err = remote.GetManifest(ctx, &d); err == nil {
			break
		}
	}
	return raw, mime, err
}

// GetBlob opens a blob, or a layer as a tar.
func (s *bundleSource) GetBlob(ctx context.Context, info types.BlobInfo, cache types.BlobInfoCache) (stream io.ReadCloser, size int64, err error) {
	if data, ok := s.bundle.blobs[info.Digest]; ok {
		return io.NopCloser(bytes.NewReader(data)), int64(len(data)), nil
	}
	if id, ok := s.bundle.layers[info.Digest]; ok {
		plain := archive.Uncompressed
		stream, err = s.bundle.images.library().Diff("", id, &lib.DiffOptions{Compression: &plain})
		return stream, -1, err
	}
	err = fmt.Errorf("there is no blob %s", info.Digest)
	for _, remote := range s.bundle.remotes {
		if stream, size, err = remote.GetBlob(ctx, info, cache); err == nil {
			break
		}
	}
	return stream, size, err
}

// HasThreadSafeGetBlob is true: nothing is shared.
func (s *bundleSource) HasThreadSafeGetBlob() bool { return true }

// GetSignatures are none.
func (s *bundleSource) GetSignatures(context.Context, *digest.Digest) ([][]byte, error) {
	return nil, nil
}

// LayerInfosForCopy leaves the manifest's.
func (s *bundleSource) LayerInfosForCopy(context.Context, *digest.Digest) ([]types.BlobInfo, error) {
	return nil, nil
}
