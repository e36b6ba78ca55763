package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/common/libimage/manifests"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// configOf makes the configuration of an artifact: a file's content, or the JSON text itself.
func configOf(a Artifact, options *manifests.AddArtifactOptions) error {
	if a.Config == "" && a.ConfigType == "" {
		return nil
	}
	data := []byte(a.Config)
	if a.Config != "" && !json.Valid(data) {
		var err error
		if data, err = os.ReadFile(a.Config); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot read the artifact's configuration: %w", err)
		}
	}
	mime := a.ConfigType
	if mime == "" {
		mime = v1.MediaTypeImageConfig
	}
	options.ConfigDescriptor = &v1.Descriptor{MediaType: mime, Digest: digest.FromBytes(data), Size: int64(len(data)), Data: bytes.Clone(data)}
	return nil
}

// PushListOptions are those of pushing a list.
type PushListOptions struct {
	PushOptions
	Alone          bool     // the list and this platform's image only
	AddCompression []string // also a variant of each image with these compressions
}

// PushList copies a list and the images that it lists to destination; "" is the registry that its name says.
func (im *Images) PushList(ctx context.Context, name, destination string, o PushListOptions) (digest.Digest, error) {
	id, err := im.listID(name)
	if err != nil {
		return "", err
	}
	_, list, err := manifests.LoadFromImage(im.library(), id)
	if err != nil {
		return "", explain(err, "push manifest list", name)
	}
	dst, err := im.listDestination(name, id, destination)
	if err != nil {
		return "", err
	}
	d, err := im.pushList(ctx, list, dst, o)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return "", explain(err, "push manifest list "+name+" to", strings.TrimSuffix(strings.TrimPrefix(dst.StringWithinTransport(), "//"), ":"))
	}
	return d, writeDigest(o.DigestFile, d)
}

// pushList copies and signs: with keys of sigstore while it copies, with those of gpg what has come there.
func (im *Images) pushList(ctx context.Context, list manifests.List, dst types.ImageReference, o PushListOptions) (d digest.Digest, err error) {
	options, err := im.listOptions(dst, o)
	if err != nil {
		return "", err
	}
	if options.Signers, err = o.signers(); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, closeAll(options.Signers)) }()
	err = retryAfresh(ctx, o.Copying, func(ctx context.Context) error {
		_, d, err = list.Push(ctx, dst, options)
		return err
	})
	if err == nil {
		err = held(ctx, dst, options.SystemContext, d)
	}
	if err != nil || o.Key == "" {
		return d, err
	}
	return d, signRemote(ctx, dst, options.SystemContext, SignOptions{Registry: o.Registry, Key: o.Key, PassphraseFile: o.PassphraseFile, All: !o.Alone})
}

func (im *Images) listDestination(name, id, destination string) (types.ImageReference, error) {
	if destination != "" {
		return im.destination(destination)
	}
	img, err := im.library().Image(id)
	if err != nil {
		return nil, explain(err, "push manifest list", name)
	}
	if destination, err = im.ownDestination(name, img.Names); err != nil {
		return nil, err
	}
	return im.destination(destination)
}

func (im *Images) listOptions(dst types.ImageReference, o PushListOptions) (manifests.PushOptions, error) {
	t, err := im.pushTransfer(nil, dst, o.PushOptions)
	if err != nil {
		return manifests.PushOptions{}, err
	}
	options := manifests.PushOptions{
		Store: im.library(), SystemContext: t.srcSys, ImageListSelection: copy.CopyAllImages, ReportWriter: o.Progress,
		ManifestType: listType(t.manifestType), AddCompression: o.AddCompression, ForceCompressionFormat: o.ForceCompression,
		RemoveSignatures: o.RemoveSignatures, MaxRetries: new(uint), // retry tries again
	}
	if o.Alone {
		options.ImageListSelection = copy.CopySystemImage
	}
	return options, nil
}

// listType is the list's type that goes with a manifest's.
func listType(one string) string {
	switch one {
	case v1.MediaTypeImageManifest:
		return v1.MediaTypeImageIndex
	case manifest.DockerV2Schema2MediaType:
		return manifest.DockerV2ListMediaType
	}
	return ""
}

func writeDigest(file string, d digest.Digest) error {
	if file == "" {
		return nil
	}
	if err := os.WriteFile(file, []byte(d.String()), 0o644); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot write the digest: %w", err)
	}
	return nil
}
