package image

import (
	"context"
	"io"
	"os"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/oci/layout"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Formats of Save.
const (
	DockerArchive = "docker-archive"
	OCIArchive    = "oci-archive"
	DockerDir     = "docker-dir"
	OCIDir        = "oci-dir"
)

// SaveOptions are those of a save.
type SaveOptions struct {
	Format   string    // "" is DockerArchive
	Progress io.Writer // nil is quiet
	Compress bool      // the layers, in a directory
	Plain    bool      // the layers of OCI's formats are not compressed
	Platform string    // of a list, the image for this one; an image for another is refused; "" is any
}

// Save writes local images into an archive or a directory at path. An archive is there whole or not at
// all. Only a docker-archive takes more than one image.
func (im *Images) Save(ctx context.Context, names []string, path string, o SaveOptions) error {
	if o.Compress && o.Format != DockerDir {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --compress: only the layers in a docker-dir are compressed when they are saved")
	}
	switch o.Format {
	case DockerArchive, "":
		return explain(replace(path, func(tmp string) error { return im.saveDocker(ctx, names, tmp, o) }), "save to", saveTarget(path))
	case OCIArchive, OCIDir, DockerDir:
	default:
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot save as %q: the formats are docker-archive, oci-archive, oci-dir, docker-dir", o.Format)
	}
	if len(names) != 1 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot save %d images as %s: only docker-archive holds more than one", len(names), o.Format)
	}
	if o.Format == OCIArchive {
		return explain(replace(path, func(tmp string) error { return im.saveLayout(ctx, names[0], tmp, o) }), "save to", saveTarget(path))
	}
	return explain(im.saveOne(ctx, names[0], path, o), "save to", saveTarget(path))
}

// saveTarget is what errors call path.
func saveTarget(path string) string {
	if strings.HasPrefix(path, "/proc/self/fd/") {
		return "the standard output"
	}
	return path
}

// saveLayout writes an archive of a layout: the same one for the same image, which the library's own is not.
func (im *Images) saveLayout(ctx context.Context, name, path string, o SaveOptions) error {
	return im.archived(ctx, path, func(dir string) error {
		o.Format = OCIDir
		return im.saveOne(ctx, name, dir, o)
	})
}

// saveOne writes a single image to a directory.
func (im *Images) saveOne(ctx context.Context, name, path string, o SaveOptions) error {
	id, err := im.ForPlatform(name, o.Platform)
	if err != nil {
		return err
	}
	src, _, err := im.localReference(id)
	if err != nil {
		return err
	}
	called, err := im.findAny(name)
	if err != nil {
		return err
	}
	plain, err := im.plain()
	if err != nil {
		return err
	}
	plain.DirForceCompress, plain.OCIAcceptUncompressedLayers = o.Compress, o.Plain
	t := transfer{src: src, srcSys: plain, dstSys: plain, seal: unsigned()}
	tag := im.nameOf(called.Names, name)
	switch o.Format {
	case OCIDir:
		t.dst, err = layout.NewReference(path, tag)
		t.manifestType = v1.MediaTypeImageManifest
	default:
		t.dst, err = directory.NewReference(path)
		t.manifestType = manifest.DockerV2Schema2MediaType
	}
	if err != nil {
		return err
	}
	_, _, err = im.copy(ctx, t, Copying{Progress: o.Progress})
	return err
}

// saveDocker writes one archive with all images. A name that stands for an image by its id saves the
// image without a name, as in docker save.
func (im *Images) saveDocker(ctx context.Context, names []string, path string, o SaveOptions) (err error) {
	order, tags, err := im.group(names, o.Platform) // before anything is written, which may go to a pipe
	if err != nil {
		return err
	}
	writer, err := archive.NewWriter(nil, path)
	if err != nil {
		return err
	}
	defer closing(&err, writer)
	for _, id := range order {
		src, err := im.storeReference(nil, id)
		if err != nil {
			return err
		}
		dst, err := writer.NewReference(nil)
		if err != nil {
			return err
		}
		plain, err := im.plain()
		if err != nil {
			return err
		}
		plain.DockerArchiveAdditionalTags = tags[id]
		t := transfer{src: src, dst: dst, srcSys: plain, dstSys: plain, manifestType: manifest.DockerV2Schema2MediaType, seal: unsigned()}
		if _, _, err := im.copy(ctx, t, Copying{Progress: o.Progress}); err != nil {
			return err
		}
	}
	return nil
}

// unsigned leaves signatures out, as archives have no place for them.
func unsigned() Sealing { return Sealing{RemoveSignatures: true} }

// group collects the names of each image, so that an image is written once.
func (im *Images) group(names []string, platform string) (order []string, tags map[string][]reference.NamedTagged, err error) {
	tags = map[string][]reference.NamedTagged{}
	for _, name := range names {
		id, err := im.ForPlatform(name, platform)
		if err != nil {
			return nil, nil, err
		}
		img, err := im.find(id)
		if err != nil {
			return nil, nil, err
		}
		if _, seen := tags[img.ID]; !seen {
			order = append(order, img.ID)
			tags[img.ID] = nil
		}
		called, err := im.findAny(name) // of a list, it is the list that has the name
		if err != nil {
			return nil, nil, err
		}
		full, err := reference.ParseNormalizedNamed(im.nameOf(called.Names, name))
		if tagged, ok := full.(reference.NamedTagged); ok && err == nil {
			tags[img.ID] = append(tags[img.ID], tagged)
		}
	}
	return order, tags, nil
}

// replace is sys.ReplaceFile, and says what is wrong where a directory is.
func replace(path string, write func(tmp string) error) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot save to %s: it is a directory", path)
	}
	return sys.ReplaceFile(path, write)
}
