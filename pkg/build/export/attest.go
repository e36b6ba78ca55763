package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/buildkit/util/attestation"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"

	"github.com/mosscontainers/moss/storage/image"
)

// Statement is something that is attested of an image: an in-toto predicate.
type Statement struct {
	Type      string // of the predicate: an URI
	Predicate json.RawMessage
}

const (
	inTotoType      = "application/vnd.in-toto+json"
	inTotoStatement = "https://in-toto.io/Statement/v1"
	predicateKey    = "in-toto.io/predicate-type"
)

// byLayout sends a bundle of which the digest has to be known before, which it is when the layers are compressed: so everything is written to a layout first,
// completed there, and sent as it is. An attestation names the digest of an image as it is at the destination; what is pushed by its digest has it in its name.
func (e *Exporter) byLayout(ctx context.Context, bundle *image.Bundle, send image.SendOptions, byDigest bool, complete func(layoutDir, v1.Descriptor) (v1.Descriptor, error)) (_ v1.Descriptor, err error) {
	temp, err := e.Images.Store().TempDir()
	if err != nil {
		return v1.Descriptor{}, err
	}
	dir, err := os.MkdirTemp(temp, "attested-")
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	first := send
	first.To, first.Path, first.Names = image.OCIDir, dir, nil
	top, err := e.Images.Send(ctx, bundle, first)
	if err != nil {
		return v1.Descriptor{}, err
	}
	if top, err = complete(layoutDir(dir), top); err != nil {
		return v1.Descriptor{}, err
	}
	if byDigest {
		if send.Names, err = withDigest(send.Names, top.Digest); err != nil {
			return v1.Descriptor{}, err
		}
	}
	from, err := image.FromLayout(dir)
	if err != nil {
		return v1.Descriptor{}, err
	}
	send.PushOptions.CompressionFormat, send.PushOptions.CompressionLevel, send.PushOptions.ForceCompression = "", nil, false
	return e.Images.Send(ctx, from, send)
}

// withDigest are names with a digest instead of their tags.
func withDigest(names []string, d digest.Digest) ([]string, error) {
	var all []string
	for _, name := range names {
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			return nil, err
		}
		canonical, err := reference.WithDigest(reference.TrimNamed(named), d)
		if err != nil {
			return nil, err
		}
		all = append(all, canonical.String())
	}
	return all, nil
}

// attest adds attestations to a layout that has an index of the images.
func (e *Exporter) attest(l layoutDir, top v1.Descriptor) (_ v1.Descriptor, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot attest how the image was made: %w", err)
		}
	}()
	var index v1.Index
	if err := l.read(top.Digest, &index); err != nil {
		return top, err
	}
	list := index.Manifests
	for i := range e.Results {
		d, err := e.attestation(l, &e.Results[i], list[i])
		if err != nil {
			return top, err
		}
		index.Manifests = append(index.Manifests, d)
	}
	d, err := l.addJSON(v1.MediaTypeImageIndex, index)
	if err != nil {
		return top, err
	}
	return d, l.only(d)
}

// attestation adds the manifest of what is attested of an image.
func (e *Exporter) attestation(l layoutDir, r *Result, subject v1.Descriptor) (v1.Descriptor, error) {
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	unknown := v1.Platform{OS: "unknown", Architecture: "unknown"}
	config := v1.Image{Platform: unknown, RootFS: v1.RootFS{Type: "layers"}}
	for _, s := range r.Statements {
		d, err := l.addJSON(inTotoType, map[string]any{
			"_type": inTotoStatement, "predicateType": s.Type, "predicate": s.Predicate, "subject": e.subjects(subject.Digest),
		})
		if err != nil {
			return d, err
		}
		d.Annotations = map[string]string{predicateKey: s.Type}
		m.Layers = append(m.Layers, d)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, d.Digest)
	}
	var err error
	if m.Config, err = l.addJSON(v1.MediaTypeImageConfig, config); err != nil {
		return m.Config, err
	}
	d, err := l.addJSON(v1.MediaTypeImageManifest, m)
	d.Platform = &unknown
	d.Annotations = map[string]string{
		attestation.DockerAnnotationReferenceType:   attestation.DockerAnnotationReferenceTypeDefault,
		attestation.DockerAnnotationReferenceDigest: subject.Digest.String(),
	}
	return d, err
}

// subjects are the names that an image has, each with its digest.
func (e *Exporter) subjects(d digest.Digest) []map[string]any {
	var all []map[string]any
	for _, name := range e.Names {
		all = append(all, map[string]any{"name": PackageURL(name, nil), "digest": map[string]string{string(d.Algorithm()): d.Encoded()}})
	}
	if all == nil {
		all = append(all, map[string]any{"name": "_", "digest": map[string]string{string(d.Algorithm()): d.Encoded()}})
	}
	return all
}

func indexOf(list []v1.Descriptor) v1.Index {
	return v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: list}
}

// layoutDir is an OCI layout.
type layoutDir string

func (l layoutDir) blob(d digest.Digest) string {
	return filepath.Join(string(l), "blobs", string(d.Algorithm()), d.Encoded())
}

func (l layoutDir) read(d digest.Digest, into any) error {
	raw, err := os.ReadFile(l.blob(d))
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func (l layoutDir) write(mediaType string, raw []byte) (v1.Descriptor, error) {
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	return d, os.WriteFile(l.blob(d.Digest), raw, 0o600)
}

func (l layoutDir) addJSON(mediaType string, value any) (v1.Descriptor, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return l.write(mediaType, raw)
}

// only makes the layout one of a single thing.
func (l layoutDir) only(d v1.Descriptor) error {
	raw, err := json.Marshal(indexOf([]v1.Descriptor{d}))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(string(l), v1.ImageIndexFile), raw, 0o600)
}
