package image

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage/pkg/lockfile"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Artifacts are files that registries keep like images. They are where Podman has them, in its format: an OCI layout below the
// image store, locked by the file beside its index. (Podman's own library for it brings a client of Docker's daemon along.)
type Artifacts struct {
	images *Images
	dir    string
	lock   *lockfile.LockFile
}

// Artifacts opens the store of artifacts, and makes it where there is none.
func (im *Images) Artifacts() (*Artifacts, error) {
	dir := filepath.Join(im.cfg.Storage.GraphRoot, "artifacts")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, explain(err, "open", "the store of artifacts")
	}
	lock, err := lockfile.GetLockFile(filepath.Join(dir, "index.lock"))
	if err != nil {
		return nil, explain(err, "open", "the store of artifacts")
	}
	return &Artifacts{im, dir, lock}, nil
}

// StoredArtifact is one that the store has.
type StoredArtifact struct {
	Name     string // "" for one that lost its name
	Digest   digest.Digest
	Size     int64 // bytes, of its files
	Created  time.Time
	Manifest *manifest.OCI1

	ref types.ImageReference
}

// artifactName makes a name with a tag of what a user gave. Registries are not searched for artifacts, so it must be a full one.
func artifactName(name string) (reference.Named, error) {
	named, err := reference.ParseNamed(name)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use %q as the name of an artifact: %w; write REGISTRY/NAME[:TAG]", name, err)
	}
	return reference.TagNameOnly(named), nil
}

// List is all artifacts.
func (a *Artifacts) List(ctx context.Context) ([]StoredArtifact, error) {
	a.lock.RLock()
	defer a.lock.Unlock()
	return a.list(ctx)
}

// list is List under the lock.
func (a *Artifacts) list(ctx context.Context) ([]StoredArtifact, error) {
	entries, err := layout.List(a.dir)
	if errors.Is(err, os.ErrNotExist) { // there never was any
		return nil, nil
	}
	if err != nil {
		return nil, explain(err, "list", "artifacts")
	}
	var list []StoredArtifact
	for _, entry := range entries {
		one, err := a.read(ctx, entry)
		if err != nil {
			return nil, explain(err, "read", "artifact "+entry.ManifestDescriptor.Digest.String())
		}
		list = append(list, *one)
	}
	return list, nil
}

// read reads the manifest of an entry of the index.
func (a *Artifacts) read(ctx context.Context, entry layout.ListResult) (one *StoredArtifact, err error) {
	source, err := entry.Reference.NewImageSource(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer closing(&err, source)
	raw, kind, err := image.UnparsedInstance(source, nil).Manifest(ctx) // which checks the digest
	if err != nil {
		return nil, err
	}
	if manifest.MIMETypeIsMultiImage(kind) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use a list of manifests as an artifact")
	}
	m, err := manifest.OCI1FromManifest(raw)
	if err != nil {
		return nil, err
	}
	one = &StoredArtifact{
		Name: entry.ManifestDescriptor.Annotations[v1.AnnotationRefName], Digest: digest.FromBytes(raw), Manifest: m, ref: entry.Reference,
	}
	for _, layer := range m.Layers {
		one.Size += layer.Size
	}
	one.Created, _ = time.Parse(time.RFC3339Nano, m.Annotations[v1.AnnotationCreated]) // anybody's text: may be missing
	return one, nil
}

// Inspect describes an artifact: its name, its digest, or the beginning of that.
func (a *Artifacts) Inspect(ctx context.Context, name string) (*StoredArtifact, error) {
	a.lock.RLock()
	defer a.lock.Unlock()
	return a.find(ctx, name)
}

func (a *Artifacts) find(ctx context.Context, name string) (*StoredArtifact, error) {
	list, err := a.list(ctx)
	if err != nil {
		return nil, err
	}
	if named, err := artifactName(name); err == nil {
		for _, one := range list {
			if one.Name == named.String() || strings.HasSuffix(name, "@"+one.Digest.String()) {
				return &one, nil
			}
		}
	}
	var found []StoredArtifact
	for _, one := range list {
		if name != "" && strings.HasPrefix(one.Digest.Encoded(), strings.TrimPrefix(name, "sha256:")) {
			found = append(found, one)
		}
	}
	switch len(found) {
	case 1:
		return &found[0], nil
	case 0:
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot find artifact %s: `moss artifact ls` lists those that there are", name)
	}
	return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot tell which artifact %s is: %d digests begin so", name, len(found))
}

// Remove removes an artifact.
func (a *Artifacts) Remove(ctx context.Context, name string) (d digest.Digest, err error) {
	err = a.change(ctx, func() error {
		found, err := a.find(ctx, name)
		if err != nil {
			return err
		}
		d = found.Digest
		return explain(found.ref.DeleteImage(ctx, &types.SystemContext{}), "remove", "artifact "+name)
	})
	return d, err
}

// Part chooses one file of an artifact; the zero value is all.
type Part struct{ Title, Digest string }

func (p Part) matches(layer v1.Descriptor) bool {
	return (p.Title == "" || layer.Annotations[v1.AnnotationTitle] == p.Title) && (p.Digest == "" || layer.Digest.String() == p.Digest)
}

// Extract copies an artifact's files into a directory, by their titles, or a single file to a path.
func (a *Artifacts) Extract(ctx context.Context, name, target string, part Part) (err error) {
	a.lock.RLock()
	defer a.lock.Unlock()
	found, err := a.find(ctx, name)
	if err != nil {
		return err
	}
	var layers []v1.Descriptor
	for _, layer := range found.Manifest.Layers {
		if part.matches(layer) {
			layers = append(layers, layer)
		}
	}
	if len(layers) == 0 {
		return errdefs.Errorf(errdefs.ErrNotFound, "cannot extract artifact %s: it has no file %s", name, firstOf(part.Title, part.Digest, "at all"))
	}
	source, err := found.ref.NewImageSource(ctx, &types.SystemContext{})
	if err != nil {
		return explain(err, "extract", "artifact "+name)
	}
	defer closing(&err, source)
	return explain(extract(ctx, source, layers, target, part), "extract", "artifact "+name)
}
