package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// ArtifactOptions are those of artifact add.
type ArtifactOptions struct {
	Type        string // of the artifact: a media type
	FileType    string // of the files; "" is what their content looks like
	Annotations map[string]string
	Append      bool // to an artifact that is there
	Replace     bool // an artifact that is there
}

// Add makes an artifact of files, which keep the last parts of their paths as titles.
func (a *Artifacts) Add(ctx context.Context, name string, files []string, o ArtifactOptions) (d digest.Digest, err error) {
	named, err := artifactName(name)
	if err != nil {
		return "", err
	}
	err = a.change(ctx, func() error {
		d, err = a.add(ctx, name, named, files, o)
		return err
	})
	return d, err
}

func (a *Artifacts) add(ctx context.Context, name string, named reference.Named, files []string, o ArtifactOptions) (digest.Digest, error) {
	old, err := a.find(ctx, named.String())
	if err != nil && (!errors.Is(err, errdefs.ErrNotFound) || o.Append) {
		return "", err
	}
	if old != nil && !o.Append && !o.Replace {
		return "", errdefs.Errorf(errdefs.ErrConflict, "cannot add artifact %s: there is one already; use --append or --replace", name)
	}
	m := newArtifact(o)
	if o.Append {
		m = &old.Manifest.Manifest
	}
	d, err := a.write(ctx, named, m, files, o)
	if err == nil && old != nil && old.Digest != d {
		err = a.forget(ctx, old.Digest)
	}
	return d, explain(err, "add", "artifact "+name)
}

func newArtifact(o ArtifactOptions) *v1.Manifest {
	annotations := map[string]string{v1.AnnotationCreated: time.Now().UTC().Format(time.RFC3339Nano)}
	maps.Copy(annotations, o.Annotations)
	return &v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: o.Type,
		Config: v1.DescriptorEmptyJSON, Layers: []v1.Descriptor{}, Annotations: annotations,
	}
}

// write stores files, and a manifest with them, under a name.
func (a *Artifacts) write(ctx context.Context, named reference.Named, m *v1.Manifest, files []string, o ArtifactOptions) (d digest.Digest, err error) {
	ref, err := layout.NewReference(a.dir, named.String())
	if err != nil {
		return "", err
	}
	dst, err := ref.NewImageDestination(ctx, &types.SystemContext{})
	if err != nil {
		return "", err
	}
	defer closing(&err, dst)
	for _, file := range files {
		layer, err := putFile(ctx, dst, file, o)
		if err != nil {
			return "", err
		}
		if titled(m.Layers, layer.Annotations[v1.AnnotationTitle]) {
			return "", errdefs.Errorf(errdefs.ErrConflict, "cannot add %s to artifact %s: it has a file of that title already", file, named)
		}
		m.Layers = append(m.Layers, layer)
	}
	config := types.BlobInfo{Digest: m.Config.Digest, Size: m.Config.Size}
	if _, err := dst.PutBlob(ctx, bytes.NewReader(v1.DescriptorEmptyJSON.Data), config, none.NoCache, true); err != nil {
		return "", err
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	if err := dst.PutManifest(ctx, raw, nil); err != nil {
		return "", err
	}
	return digest.FromBytes(raw), dst.Commit(ctx, nil)
}

func titled(layers []v1.Descriptor, title string) bool {
	for _, layer := range layers {
		if layer.Annotations[v1.AnnotationTitle] == title {
			return true
		}
	}
	return false
}

// putFile stores a file and describes it.
func putFile(ctx context.Context, dst types.ImageDestination, path string, o ArtifactOptions) (layer v1.Descriptor, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|sys.ONonblock, 0) // which waits for nobody who might write to a pipe
	if err != nil {
		return layer, errdefs.Errorf(errdefs.ErrNotFound, "cannot add to an artifact: %w", err)
	}
	defer closing(&err, f)
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return layer, errdefs.Errorf(errdefs.ErrInvalid, "cannot add %s to an artifact: it is no regular file", path)
	}
	layer.MediaType = o.FileType
	if layer.MediaType == "" {
		if layer.MediaType, err = looksLike(f); err != nil {
			return layer, err
		}
	}
	blob, err := dst.PutBlob(ctx, f, types.BlobInfo{Size: -1}, none.NoCache, false)
	layer.Digest, layer.Size = blob.Digest, blob.Size
	layer.Annotations = map[string]string{v1.AnnotationTitle: filepath.Base(path)}
	maps.Copy(layer.Annotations, o.Annotations)
	return layer, err
}

// looksLike guesses a media type of a file's beginning.
func looksLike(f *os.File) (string, error) {
	beginning := make([]byte, 512) // no more is looked at
	n, err := f.ReadAt(beginning, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return http.DetectContentType(beginning[:n]), err
}

// forget removes what was left without a name when a name went over.
func (a *Artifacts) forget(ctx context.Context, old digest.Digest) error {
	entries, err := layout.List(a.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.ManifestDescriptor.Digest == old && entry.ManifestDescriptor.Annotations[v1.AnnotationRefName] == "" {
			return entry.Reference.DeleteImage(ctx, &types.SystemContext{})
		}
	}
	return nil
}

// extract copies files of an artifact to target: into it, where it is a directory.
func extract(ctx context.Context, source types.ImageSource, layers []v1.Descriptor, target string, part Part) error {
	info, err := os.Stat(target)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err == nil && info.IsDir() {
		return extractInto(ctx, source, layers, target, part)
	}
	if len(layers) > 1 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot extract %d files to %s: it is no directory; choose one with --title or --digest", len(layers), target)
	}
	return extractOne(ctx, source, layers[0], place{
		func() (*os.File, error) { return os.Create(target) },
		func() (os.FileInfo, error) { return os.Lstat(target) },
		func() error { return os.Remove(target) },
	})
}

func extractInto(ctx context.Context, source types.ImageSource, layers []v1.Descriptor, dir string, part Part) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer closing(&err, root)
	for _, layer := range layers {
		title, err := fileName(layer, part)
		if err != nil {
			return err
		}
		err = extractOne(ctx, source, layer, place{
			func() (*os.File, error) { return root.Create(title) },
			func() (os.FileInfo, error) { return root.Lstat(title) },
			func() error { return root.Remove(title) },
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fileName is a layer's title, which is anybody's text and must name a file in a directory.
func fileName(layer v1.Descriptor, part Part) (string, error) {
	title := layer.Annotations[v1.AnnotationTitle]
	if title == "" || part.Digest != "" {
		return strings.ReplaceAll(layer.Digest.String(), ":", "-"), nil
	}
	if title != filepath.Base(title) || title == "." || title == ".." {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot extract the file %q: its title leads out of the directory; choose it by --digest", title)
	}
	return title, nil
}

// extractOne copies a file, and checks that it is the one that the manifest names: nobody is to find another one, or a part of it.
func extractOne(ctx context.Context, source types.ImageSource, layer v1.Descriptor, to place) (err error) {
	if err := layer.Digest.Validate(); err != nil {
		return errdefs.Errorf(errdefs.ErrDamaged, "cannot extract %q: %w", layer.Digest, err)
	}
	blob, _, err := source.GetBlob(ctx, types.BlobInfo{Digest: layer.Digest, Size: layer.Size}, none.NoCache)
	if err != nil {
		return err
	}
	defer closing(&err, blob)
	f, err := to.create()
	if err != nil {
		return err
	}
	sum := layer.Digest.Verifier()
	_, err = io.Copy(io.MultiWriter(f, sum), blob)
	if err == nil && !sum.Verified() {
		err = errdefs.Errorf(errdefs.ErrDamaged, "cannot extract %s: the store has something else under that digest; remove the artifact, and pull or add it again", layer.Digest)
	}
	if err != nil {
		err = errors.Join(err, to.discard(f))
	}
	return errors.Join(err, f.Close())
}

// place is where a file is extracted to.
type place struct {
	create func() (*os.File, error)
	lstat  func() (os.FileInfo, error)
	remove func() error
}

// discard empties what create has opened, and removes it where it is not behind a link, as /dev/stdout is. What is no file has been written to for good.
func (p place) discard(f *os.File) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	if there, err := p.lstat(); err != nil || !os.SameFile(there, info) {
		return err
	}
	return p.remove()
}
