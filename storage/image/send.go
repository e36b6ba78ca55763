package image

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// SendOptions say where a bundle goes, and how.
type SendOptions struct {
	PushOptions
	To    string // a format of Save, or "registry"
	Path  string // of the archive or directory
	Names []string
}

// ToRegistry is the To of a push.
const ToRegistry = "registry"

// Send copies a bundle, or what an OCI layout contains (FromLayout), with all images of a list. It returns the manifest as it
// was written, which compression changes.
func (im *Images) Send(ctx context.Context, from types.ImageReference, o SendOptions) (d v1.Descriptor, err error) {
	switch o.To {
	case DockerArchive:
		err = replace(o.Path, func(tmp string) error {
			d, err = im.sendDocker(ctx, from, tmp, o)
			return err
		})
	case OCIArchive:
		err = replace(o.Path, func(tmp string) error {
			d, err = im.sendArchive(ctx, from, tmp, o)
			return err
		})
	case OCIDir:
		d, err = im.sendLayout(ctx, from, o.Path, o)
	case ToRegistry:
		return im.sendNames(ctx, from, o)
	default:
		return v1.Descriptor{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot write an image as %q", o.To)
	}
	return d, explain(err, "write the image to", o.Path)
}

// sendNames pushes to each name.
func (im *Images) sendNames(ctx context.Context, from types.ImageReference, o SendOptions) (d v1.Descriptor, err error) {
	for _, name := range o.Names {
		dst, err := registryReference("push to", name)
		if err != nil {
			return v1.Descriptor{}, err
		}
		if d, err = im.send(ctx, from, dst, o); err != nil {
			return v1.Descriptor{}, explain(err, "push to", name)
		}
	}
	return d, nil
}

// sendLayout writes a layout that has the image under each of its names.
func (im *Images) sendLayout(ctx context.Context, from types.ImageReference, dir string, o SendOptions) (d v1.Descriptor, err error) {
	names := o.Names
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		dst, err := layout.NewReference(dir, name)
		if err != nil {
			return v1.Descriptor{}, err
		}
		if d, err = im.send(ctx, from, dst, o); err != nil {
			return v1.Descriptor{}, err
		}
	}
	return d, nil
}

// sendArchive writes an archive of a layout. (The library's own has a single name, and the times of this moment.)
func (im *Images) sendArchive(ctx context.Context, from types.ImageReference, path string, o SendOptions) (d v1.Descriptor, err error) {
	err = im.archived(ctx, path, func(dir string) error {
		d, err = im.sendLayout(ctx, from, dir, o)
		return err
	})
	return d, err
}

// archived lets write make a layout in a directory of its own, and writes an archive of it.
func (im *Images) archived(ctx context.Context, path string, write func(dir string) error) (err error) {
	temp, err := im.store.TempDir()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(temp, "layout-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := write(dir); err != nil {
		return err
	}
	return writeArchive(ctx, path, dir)
}

// writeArchive writes a tar that depends on nothing but what is in the directory.
func writeArchive(ctx context.Context, path, dir string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer closing(&err, f)
	archive := tar.NewWriter(f)
	err = filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || file == dir {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, ModTime: time.Unix(0, 0)})
		}
		return writeEntry(ctx, archive, name, file)
	})
	return cmp.Or(err, archive.Close()) // which repeats what err says
}

func writeEntry(ctx context.Context, archive *tar.Writer, name, path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer closing(&err, f)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: info.Size(), ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	_, err = io.Copy(archive, contextReader{ctx, f})
	return err
}

func (im *Images) sendDocker(ctx context.Context, from types.ImageReference, path string, o SendOptions) (_ v1.Descriptor, err error) {
	writer, err := archive.NewWriter(nil, path)
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer closing(&err, writer)
	dst, err := writer.NewReference(nil)
	if err != nil {
		return v1.Descriptor{}, err
	}
	o.Format = "docker"
	return im.send(ctx, from, dst, o)
}

// send makes one copy.
func (im *Images) send(ctx context.Context, from, to types.ImageReference, o SendOptions) (v1.Descriptor, error) {
	t, err := im.pushTransfer(from, to, o.PushOptions)
	if err != nil {
		return v1.Descriptor{}, err
	}
	t.allPlatforms = o.To != DockerArchive
	_, t.preserve = from.(*layoutReference)
	for _, name := range o.Names {
		named, err := reference.ParseNormalizedNamed(name)
		if tagged, ok := named.(reference.NamedTagged); ok && err == nil {
			t.dstSys.DockerArchiveAdditionalTags = append(t.dstSys.DockerArchiveAdditionalTags, tagged)
		}
	}
	_, raw, err := im.copy(ctx, t, o.Copying)
	if err != nil {
		return v1.Descriptor{}, err
	}
	d, err := manifest.Digest(raw)
	return v1.Descriptor{MediaType: manifest.GuessMIMEType(raw), Digest: d, Size: int64(len(raw))}, err
}

// layoutReference is a layout that is copied as it is.
type layoutReference struct{ types.ImageReference }

// FromLayout is what an OCI layout of ours contains, to be sent unchanged.
func FromLayout(dir string) (types.ImageReference, error) {
	ref, err := layout.NewReference(dir, "")
	return &layoutReference{ref}, err
}

// manifestType is the type of an assembly's manifest.
func (a *Assembly) manifestType() string {
	if a.Docker {
		return dockerManifestType
	}
	return v1.MediaTypeImageManifest
}
