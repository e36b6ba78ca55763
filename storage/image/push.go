package image

import (
	"context"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
)

// PushOptions are those of a push.
type PushOptions struct {
	Copying
	Format            string // of the manifest: "oci", "v2s2" or "" for the image's own
	CompressionFormat string // "gzip", "zstd", "zstd:chunked"; "" is gzip
	CompressionLevel  *int
	ForceCompression  bool   // compress again what is compressed otherwise
	Compress          bool   // the layers, in a directory
	DigestFile        string // is written with the digest of the manifest
	Sealing
}

// Push copies a local image to destination: a registry's name, or TRANSPORT:…; "" is the registry that
// the image's name says. It returns the digest of the manifest at the destination.
func (im *Images) Push(ctx context.Context, name, destination string, o PushOptions) (digest.Digest, error) {
	if list, err := im.ListExists(name); list || err != nil {
		return im.PushList(ctx, name, destination, PushListOptions{PushOptions: o})
	}
	src, img, err := im.localReference(name)
	if err != nil {
		return "", err
	}
	if destination == "" {
		if destination, err = im.ownDestination(name, img.Names); err != nil {
			return "", err
		}
	}
	dst, err := im.destination(destination)
	if err != nil {
		return "", err
	}
	t, err := im.pushTransfer(src, dst, o)
	if err != nil {
		return "", err
	}
	_, raw, err := im.copy(ctx, t, o.Copying)
	if err != nil {
		return "", explain(err, "push "+name+" to", destination)
	}
	d, err := manifest.Digest(raw)
	if err != nil {
		return "", err
	}
	if o.Key != "" {
		sign := SignOptions{Registry: o.Registry, Key: o.Key, PassphraseFile: o.PassphraseFile}
		if err := signManifest(ctx, dst, t.dstSys, raw, sign); err != nil {
			return "", explain(err, "sign", destination)
		}
	}
	return d, writeDigest(o.DigestFile, d)
}

// ownDestination is the full local name that the user's name stands for.
func (im *Images) ownDestination(name string, names []string) (string, error) {
	if len(names) == 0 {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot push %s: it has no name; say where to, as in `moss push %s REGISTRY/NAME`", name, name)
	}
	if full := im.nameOf(names, name); full != "" {
		return full, nil
	}
	return names[0], nil
}

func (im *Images) destination(name string) (types.ImageReference, error) {
	if transport, rest := transportOf(name); transport != nil {
		return im.parseReference(transport, rest)
	}
	return registryReference("push to", name)
}

// registryReference is what a registry has under a name, which is a full one or of docker.io.
func registryReference(verb, name string) (types.ImageReference, error) {
	if err := storage.Unsupported(errdefs.ErrInvalid, name); err != nil {
		return nil, err
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot %s %q: %w", verb, name, err)
	}
	ref, err := docker.NewReference(reference.TagNameOnly(named))
	return ref, explain(err, verb, name)
}

func (im *Images) pushTransfer(src, dst types.ImageReference, o PushOptions) (transfer, error) {
	sys, err := im.systemContext(o.Registry, Platform{})
	if err != nil {
		return transfer{}, err
	}
	t := transfer{src: src, dst: dst, srcSys: sys, dstSys: sys, forceFormat: o.ForceCompression, seal: o.Sealing}
	sys.DirForceCompress = o.Compress
	if t.manifestType, err = manifestType(o.Format); err != nil {
		return transfer{}, err
	}
	if o.CompressionFormat != "" {
		algorithm, err := compression.AlgorithmByName(o.CompressionFormat)
		if err != nil {
			return transfer{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot compress with %q: it is one of gzip, zstd, zstd:chunked", o.CompressionFormat)
		}
		sys.CompressionFormat = &algorithm
	}
	sys.CompressionLevel = o.CompressionLevel
	return t, nil
}

func manifestType(format string) (string, error) {
	switch format {
	case "":
		return "", nil
	case "oci":
		return v1.MediaTypeImageManifest, nil
	case "v2s2", "docker":
		return manifest.DockerV2Schema2MediaType, nil
	}
	return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot use the manifest format %q: it is one of oci, v2s2", format)
}
