package image

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/silence"
)

// A web server, or a network that wants its users to log in, may answer whatever it is asked with 200, which is all that the library
// wants of a registry to log in and to push. What the distribution API tells of both is a manifest's digest: one that was pushed is
// there, one that nobody made is not. What /v2/ says tells nothing: its header is optional, its body anything.

// held fails where a registry has something else under the digest of a manifest that it took. One that does not tell is believed:
// whoever may push need not be allowed to pull, and some registries look at an image before they give it away.
func held(ctx context.Context, dst types.ImageReference, sys *types.SystemContext, d digest.Digest) error {
	if dst.Transport().Name() != docker.Transport.Name() {
		return nil
	}
	return silence.Watch(ctx, 0, func(ctx context.Context) error {
		ref, said, err := askDigest(ctx, dst.DockerReference(), sys, d)
		if err != nil || said == d {
			return context.Cause(ctx)
		}
		raw, err := manifestBytes(ctx, ref, sys) // the header with the digest is optional
		if err == nil && digest.FromBytes(raw) != d {
			err = errors.New("it is something else")
		}
		if err != nil && context.Cause(ctx) == nil {
			err = errdefs.Errorf(errdefs.ErrUnavailable, "what answers there is no registry: it took the manifest %s, and does not have it: %w", d, err)
		}
		return err
	})
}

// isRegistry fails where a server has a manifest that nobody made.
func isRegistry(ctx context.Context, host string, sys *types.SystemContext) error {
	named, err := reference.ParseNormalizedNamed(host + "/moss/login")
	if err != nil {
		return nil //nolint:nilerr // nobody has images under such a name, but credentials
	}
	if _, _, err := askDigest(ctx, named, sys, digest.FromString(rand.Text())); err == nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "what answers there is no registry: it has whatever it is asked for")
	}
	return context.Cause(ctx)
}

// askDigest asks a server for the manifest of a digest, and for the digest of that; "" is none. ref is what was asked for.
func askDigest(ctx context.Context, named reference.Named, sys *types.SystemContext, d digest.Digest) (ref types.ImageReference, said digest.Digest, err error) {
	canonical, err := reference.WithDigest(reference.TrimNamed(named), d)
	if err != nil {
		return nil, "", err
	}
	if ref, err = docker.NewReference(canonical); err != nil {
		return nil, "", err
	}
	said, err = docker.GetDigest(ctx, sys, ref)
	for _, none := range []error{digest.ErrDigestInvalidFormat, digest.ErrDigestInvalidLength, digest.ErrDigestUnsupported} {
		if errors.Is(err, none) {
			return ref, "", nil
		}
	}
	return ref, said, err
}

func manifestBytes(ctx context.Context, ref types.ImageReference, sys *types.SystemContext) (raw []byte, err error) {
	source, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return nil, fmt.Errorf("cannot read it: %w", err)
	}
	defer closing(&err, source)
	raw, _, err = source.GetManifest(ctx, nil)
	return raw, err
}
