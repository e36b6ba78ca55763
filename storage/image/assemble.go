package image

import (
	"encoding/json"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	lib "go.podman.io/storage"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// The media types of Docker's own format, version 2, schema 2.
const (
	dockerManifestType = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfigType   = "application/vnd.docker.container.image.v1+json"
	dockerLayerType    = "application/vnd.docker.image.rootfs.diff.tar"
)

// Assembly is an image to put together of a configuration and layers that are in the store.
type Assembly struct {
	Config      []byte // whole, with the digests of the layers
	Layers      []string
	Names       []string // full; whatever had them loses them
	Annotations map[string]string
	Docker      bool // Docker's format instead of the OCI's
	Created     time.Time
}

// Assembled names an image that was put together.
type Assembled struct {
	ID       string
	Manifest v1.Descriptor
	Config   digest.Digest
	Has      digest.Digest // of the manifest that the image has in the store, which may be an older one
}

// Assemble puts an image together. The same configuration gives the same id, and then the names are added, and what only the manifest says is changed.
func (im *Images) Assemble(a Assembly) (*Assembled, error) {
	raw, config, err := im.manifestOf(a)
	if err != nil {
		return nil, err
	}
	top := ""
	if n := len(a.Layers); n > 0 {
		top = a.Layers[n-1]
	}
	if err := im.store.Settle(); err != nil { // layers of steps are not on the disk yet
		return nil, err
	}
	id, err := im.record(a.Config, raw, a.Created, top)
	if err != nil {
		return nil, explain(err, "record", "the image")
	}
	has, err := im.restate(id, raw)
	if err != nil {
		return nil, err
	}
	if err := im.library().AddNames(id, a.Names); err != nil {
		return nil, explain(err, "name", names.Short(id))
	}
	return &Assembled{
		ID: id, Config: config, Has: has,
		Manifest: descriptorOf(a.manifestType(), raw),
	}, im.store.SyncImages()
}

// manifestOf makes the manifest, and says the digest of the configuration.
func (im *Images) manifestOf(a Assembly) ([]byte, digest.Digest, error) {
	m := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: a.manifestType(), Annotations: a.Annotations, Layers: []v1.Descriptor{},
		Config: v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromBytes(a.Config), Size: int64(len(a.Config))},
	}
	layerType := v1.MediaTypeImageLayer
	if a.Docker {
		m.Config.MediaType, layerType = dockerConfigType, dockerLayerType
	}
	for _, id := range a.Layers {
		l, err := im.library().Layer(id)
		if err != nil {
			return nil, "", explain(err, "read", "layer "+names.Short(id))
		}
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: layerType, Digest: l.UncompressedDigest, Size: l.UncompressedSize})
	}
	raw, err := json.Marshal(m)
	return raw, m.Config.Digest, err
}

// Annotations are those of a local image's manifest.
func (im *Images) Annotations(id string) (map[string]string, error) {
	raw, err := im.library().ImageBigData(id, lib.ImageDigestBigDataKey)
	if err != nil {
		return nil, explain(err, "read the manifest of", names.Short(id))
	}
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot read the manifest of image %s: %w", names.Short(id), err)
	}
	return m.Annotations, nil
}
