package image

import (
	"context"
	"path/filepath"
	"strings"

	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// transports are those that images are pulled from and pushed to. The library's own list
// (alltransports) would link, and initialise at every start, a client of Docker's daemon.
func transports() []types.ImageTransport {
	return []types.ImageTransport{
		docker.Transport, archive.Transport, layout.Transport, ociarchive.Transport, directory.Transport, istorage.Transport,
	}
}

// transportOf splits TRANSPORT:REST; transport is nil where name has none.
func transportOf(name string) (transport types.ImageTransport, rest string) {
	prefix, rest, _ := strings.Cut(name, ":")
	for _, t := range transports() {
		if t.Name() == prefix {
			return t, rest
		}
	}
	return nil, name
}

// pullFrom pulls from something other than a registry.
func (im *Images) pullFrom(ctx context.Context, transport types.ImageTransport, rest string, o PullOptions) ([]Pulled, error) {
	if isArchive(transport) && !strings.Contains(rest, ":") {
		return im.pullArchive(ctx, rest, o)
	}
	if transport.Name() == istorage.Transport.Name() && !strings.HasPrefix(rest, "[") {
		img, err := im.find(rest) // in our own store
		if err != nil {
			return nil, err
		}
		return []Pulled{{ID: img.ID, Name: rest, Local: true}}, nil
	}
	src, err := im.parseReference(transport, rest)
	if err != nil {
		return nil, err
	}
	sys, err := im.systemContext(o.Registry, o.Platform)
	if err != nil {
		return nil, err
	}
	named, err := nameOfSource(src, rest)
	if err != nil {
		return nil, err
	}
	pulled, err := im.copyIn(ctx, src, sys, named, o.Copying)
	return []Pulled{pulled}, err
}

func isArchive(transport types.ImageTransport) bool {
	return transport.Name() == archive.Transport.Name() || transport.Name() == ociarchive.Transport.Name()
}

// pullArchive pulls all that an archive holds, by the names that it gives.
func (im *Images) pullArchive(ctx context.Context, file string, o PullOptions) ([]Pulled, error) {
	loaded, err := im.Load(ctx, file, o.Progress)
	var all []Pulled
	for _, l := range loaded {
		all = append(all, Pulled{ID: l.ID, Name: strings.Join(l.Names, ",")})
	}
	return all, err
}

// parseReference is the transport's own, except that containers-storage means our store where none is named.
func (im *Images) parseReference(transport types.ImageTransport, rest string) (types.ImageReference, error) {
	if transport.Name() == istorage.Transport.Name() && !strings.HasPrefix(rest, "[") {
		return istorage.Transport.ParseStoreReference(im.library(), rest)
	}
	ref, err := transport.ParseReference(rest)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s:%s: %w", transport.Name(), rest, err)
	}
	return ref, nil
}

// copyIn copies an image into the store; without a name it is found by its id alone.
func (im *Images) copyIn(ctx context.Context, src types.ImageReference, sys *types.SystemContext, named reference.Named, o Copying) (Pulled, error) {
	if named == nil {
		return im.copyNameless(ctx, src, sys, o)
	}
	dst, err := im.storeReference(named, "")
	if err != nil {
		return Pulled{}, err
	}
	id, _, err := im.copy(ctx, transfer{src: src, dst: dst, srcSys: sys, dstSys: sys}, o)
	return Pulled{ID: id, Name: named.String()}, err
}

// copyNameless needs the id before the copy: it is the digest of the configuration.
func (im *Images) copyNameless(ctx context.Context, src types.ImageReference, sys *types.SystemContext, o Copying) (Pulled, error) {
	image, err := src.NewImage(ctx, sys)
	if err != nil {
		return Pulled{}, err
	}
	id := image.ConfigInfo().Digest.Encoded()
	if err := image.Close(); err != nil {
		return Pulled{}, err
	}
	dst, err := im.storeReference(nil, id)
	if err != nil {
		return Pulled{}, err
	}
	id, _, err = im.copy(ctx, transfer{src: src, dst: dst, srcSys: sys, dstSys: sys}, o)
	return Pulled{ID: id}, err
}

// nameOfSource is the local name of an image that does not come from a registry: its own where the
// source has one, else localhost/ and the last part of its path.
func nameOfSource(src types.ImageReference, rest string) (reference.Named, error) {
	if named := src.DockerReference(); named != nil {
		return reference.TagNameOnly(named), nil
	}
	path, name := rest, ""
	if src.Transport().Name() != directory.Transport.Name() {
		path, name, _ = strings.Cut(rest, ":")
	}
	switch {
	case name != "" && !strings.HasPrefix(name, "@"):
		if _, err := reference.ParseNormalizedNamed(name); err != nil || !strings.ContainsAny(name, "/:") {
			name = strings.ToLower(filepath.Base(path)) + ":" + name
		}
		return ParseName(name)
	case isArchive(src.Transport()):
		return nil, nil
	}
	return ParseName(strings.ToLower(filepath.Base(path)))
}
