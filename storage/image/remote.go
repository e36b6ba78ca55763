package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/silence"
)

// Remote is an image that is not in the store and of which pieces are read. Close it.
type Remote struct {
	Config v1.Image
	Raw    []byte // the configuration
	Layers []v1.Descriptor
	source types.ImageSource
}

// maxRemoteConfig bounds what a configuration may be, in bytes.
const maxRemoteConfig = 32 << 20

// OpenRegistry opens an image in a registry: of a list, that of this platform.
func (im *Images) OpenRegistry(ctx context.Context, name string, r Registry) (*Remote, error) {
	ref, err := registryReference("read", name)
	if err != nil {
		return nil, err
	}
	remote, err := im.openRemote(ctx, ref, r)
	return remote, explain(err, "read", name)
}

// OpenLayout opens an image in an OCI layout.
func (im *Images) OpenLayout(ctx context.Context, dir, tag string) (*Remote, error) {
	ref, err := layout.NewReference(dir, tag)
	if err != nil {
		return nil, explain(err, "read", dir)
	}
	remote, err := im.openRemote(ctx, ref, Registry{})
	return remote, explain(err, "read", dir)
}

func (im *Images) openRemote(ctx context.Context, ref types.ImageReference, r Registry) (_ *Remote, err error) {
	sys, err := im.systemContext(r, Platform{})
	if err != nil {
		return nil, err
	}
	return silence.Ask(ctx, func(ctx context.Context) (*Remote, error) {
		source, err := ref.NewImageSource(ctx, sys)
		if err != nil {
			return nil, err
		}
		remote := &Remote{source: source}
		if err := remote.read(ctx, sys); err != nil {
			return nil, errors.Join(err, source.Close())
		}
		return remote, nil
	})
}

// read reads what is small, as far as the policy allows the image.
func (r *Remote) read(ctx context.Context, sys *types.SystemContext) (err error) {
	policy, err := newPolicy(sys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, policy.Destroy()) }()
	top := image.UnparsedInstance(r.source, nil)
	if _, err := policy.IsRunningImageAllowed(ctx, top); err != nil {
		return err
	}
	raw, mime, err := top.Manifest(ctx) // it is what its digest says
	if err != nil {
		return err
	}
	if manifest.MIMETypeIsMultiImage(mime) {
		list, err := manifest.ListFromBlob(raw, mime)
		if err != nil {
			return err
		}
		instance, err := list.ChooseInstance(sys)
		if err != nil {
			return err
		}
		if raw, _, err = image.UnparsedInstance(r.source, &instance).Manifest(ctx); err != nil {
			return err
		}
	}
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	r.Layers = m.Layers
	return r.readConfig(ctx, m.Config)
}

func (r *Remote) readConfig(ctx context.Context, d v1.Descriptor) (err error) {
	if d.Size > maxRemoteConfig {
		return errdefs.Errorf(errdefs.ErrInvalid, "its configuration has %d bytes, more than the %d that are read", d.Size, maxRemoteConfig)
	}
	verifier := d.Digest.Verifier()
	err = r.Read(ctx, d, func(_ context.Context, stream io.Reader) error {
		r.Raw, err = io.ReadAll(io.TeeReader(io.LimitReader(stream, maxRemoteConfig), verifier))
		return err
	})
	if err != nil {
		return err
	}
	if !verifier.Verified() {
		return fmt.Errorf("its configuration has not the digest %s", d.Digest)
	}
	return json.Unmarshal(r.Raw, &r.Config)
}

// Read calls do with a blob. Nothing has checked its digest.
func (r *Remote) Read(ctx context.Context, d v1.Descriptor, do func(context.Context, io.Reader) error) error {
	if err := d.Digest.Validate(); err != nil {
		return err
	}
	return silence.Watch(ctx, 0, func(ctx context.Context) (err error) {
		stream, _, err := r.source.GetBlob(ctx, types.BlobInfo{Digest: d.Digest, Size: d.Size, URLs: nil}, none.NoCache)
		if err != nil {
			return err
		}
		defer closing(&err, stream)
		return do(ctx, stream)
	})
}

// Close lets go of it.
func (r *Remote) Close() error { return r.source.Close() }
