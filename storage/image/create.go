package image

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	manifests "go.podman.io/image/v5/manifest"
	lib "go.podman.io/storage"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/store"
)

// Document is an image's configuration file: that of the OCI image specification with what Docker has
// beside it.
type Document struct {
	Created *time.Time `json:"created,omitempty"`
	Author  string     `json:"author,omitempty"`
	v1.Platform
	Config  spec.ImageConfig `json:"config"`
	RootFS  v1.RootFS        `json:"rootfs"`
	History []v1.History     `json:"history,omitempty"`
}

// newImage records an image whose layers are in the store. layers go from the lowest to the topmost.
// The same configuration gives the same id, and then the names are added, and what only the manifest says is changed. docker has the manifest be of Docker's type.
func (im *Images) newImage(doc Document, layers []store.Layer, called []string, docker bool) (id string, err error) {
	top, layerType := "", v1.MediaTypeImageLayer
	doc.RootFS = v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}
	manifest := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{}}
	manifest.Config.MediaType = v1.MediaTypeImageConfig
	if docker {
		manifest.MediaType, manifest.Config.MediaType, layerType = manifests.DockerV2Schema2MediaType, dockerConfigType, dockerLayerType
	}
	for _, l := range layers {
		top = l.ID
		doc.RootFS.DiffIDs = append(doc.RootFS.DiffIDs, l.DiffID)
		manifest.Layers = append(manifest.Layers, v1.Descriptor{MediaType: layerType, Digest: l.DiffID, Size: l.Size})
	}
	config, err := json.Marshal(doc)
	if err != nil {
		return "", err
	}
	configDigest := digest.FromBytes(config)
	manifest.Config.Digest, manifest.Config.Size = configDigest, int64(len(config))
	raw, err := json.Marshal(manifest)
	if err != nil {
		return "", err
	}
	var created time.Time
	if doc.Created != nil {
		created = *doc.Created
	}
	if id, err = im.record(config, raw, created, top); err != nil {
		return "", explain(err, "record", "the image")
	}
	if _, err := im.restate(id, raw); err != nil {
		return "", err
	}
	if err := im.library().AddNames(id, called); err != nil {
		return "", explain(err, "name", names.Short(id))
	}
	return id, im.store.SyncImages()
}

// record makes the image of a configuration and a manifest, unless it is there; top is its topmost layer. Errors are the library's: see copyIntoStore.
func (im *Images) record(config, manifest []byte, created time.Time, top string) (id string, err error) {
	id = digest.FromBytes(config).Encoded()
	options := imageOptions(config, manifest, created)
	_, err = im.library().CreateImage(id, nil, top, "{}", options)
	if errors.Is(err, lib.ErrDuplicateID) {
		err = im.complete(id, options)
	}
	return id, err
}

// complete writes what a process that was killed has not written of an image: the library's record of it comes first, and the manifest last.
func (im *Images) complete(id string, o *lib.ImageOptions) error {
	_, err := im.library().ImageBigData(id, lib.ImageDigestBigDataKey)
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, item := range o.BigData {
		if err := im.library().SetImageBigData(id, item.Key, item.Data, manifests.Digest); err != nil {
			return err
		}
	}
	return nil
}

// restate gives an image that was there another manifest, if that is of another type or has other annotations than the one it has. Where they say the same,
// the image keeps its own, which may be a registry's and name layers as they are compressed there. It returns the digest of the one that the image has then.
func (im *Images) restate(id string, manifest []byte) (digest.Digest, error) {
	old, err := im.library().ImageBigData(id, lib.ImageDigestBigDataKey)
	if err != nil {
		return "", explain(err, "read the manifest of", names.Short(id))
	}
	if saysTheSame(old, manifest) {
		return digest.FromBytes(old), nil
	}
	d := digest.FromBytes(manifest)
	for _, key := range []string{lib.ImageDigestManifestBigDataNamePrefix + "-" + d.String(), lib.ImageDigestBigDataKey} {
		if err := im.library().SetImageBigData(id, key, manifest, manifests.Digest); err != nil {
			return "", explain(err, "write the manifest of", names.Short(id))
		}
	}
	return d, nil
}

func saysTheSame(a, b []byte) bool {
	var of [2]struct{ Annotations map[string]string }
	for i, raw := range [][]byte{a, b} {
		if json.Unmarshal(raw, &of[i]) != nil {
			return false
		}
	}
	return manifests.GuessMIMEType(a) == manifests.GuessMIMEType(b) && maps.Equal(of[0].Annotations, of[1].Annotations)
}

// imageOptions are what containers/image's storage transport records for an image, key by key.
func imageOptions(config, manifest []byte, created time.Time) *lib.ImageOptions {
	manifestDigest, configDigest := digest.FromBytes(manifest), digest.FromBytes(config)
	return &lib.ImageOptions{
		CreationDate: created,
		Digest:       manifestDigest,
		BigData: []lib.ImageBigDataOption{
			{Key: configDigest.String(), Data: config, Digest: configDigest},
			{Key: lib.ImageDigestManifestBigDataNamePrefix + "-" + manifestDigest.String(), Data: manifest, Digest: manifestDigest},
			{Key: lib.ImageDigestBigDataKey, Data: manifest, Digest: manifestDigest},
		},
	}
}

// layersOf are an image's layers, lowest first.
func (im *Images) layersOf(img *storage.Image) ([]store.Layer, error) {
	var layers []store.Layer
	for i := len(img.Layers) - 1; i >= 0; i-- {
		l, err := im.library().Layer(img.Layers[i])
		if err != nil {
			return nil, explain(err, "read", "layer "+names.Short(img.Layers[i]))
		}
		if l.UncompressedDigest == "" {
			return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot build on image %s: the digest of its layer %s is not known, since it was pulled in parts; pull it again with enable_partial_images = \"false\" in storage.conf", names.Short(img.ID), names.Short(l.ID))
		}
		layers = append(layers, store.Layer{ID: l.ID, Parent: l.Parent, DiffID: digest.Digest(l.UncompressedDigest), Size: l.UncompressedSize})
	}
	return layers, nil
}

// dropLayer removes the layer of an image that could not be made, unless an image uses it.
func (im *Images) dropLayer(id string, cause error) error {
	if cause == nil {
		return nil
	}
	return errors.Join(cause, im.store.DeleteLayer(id))
}
