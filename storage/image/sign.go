package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/silence"
)

// SignOptions are those of image sign.
type SignOptions struct {
	Registry
	Key            string // of GnuPG
	PassphraseFile string // its first line opens the key; "" leaves that to gpg-agent
	Directory      string // for the signatures; "" is where registries.d says for this registry
	All            bool   // also the images of a list
}

// Sign signs what a registry has under a name and puts the signature where whoever pulls looks for it.
func (im *Images) Sign(ctx context.Context, name string, o SignOptions) error {
	if o.Key == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot sign %s without a key: give --sign-by with the fingerprint or the address of a key of gpg", name)
	}
	ref, err := registryReference("sign", strings.TrimPrefix(name, "docker://"))
	if err != nil {
		return err
	}
	sys, err := im.systemContext(o.Registry, Platform{})
	if err != nil {
		return err
	}
	return explain(signRemote(ctx, ref, sys, o), "sign", name)
}

// signRemote signs all manifests that o is about.
func signRemote(ctx context.Context, ref types.ImageReference, sys *types.SystemContext, o SignOptions) error {
	all, err := silence.Ask(ctx, func(ctx context.Context) ([][]byte, error) { return manifestsOf(ctx, ref, sys, o) })
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := signManifest(ctx, ref, sys, m, o); err != nil {
			return err
		}
	}
	return nil
}

func manifestsOf(ctx context.Context, ref types.ImageReference, sys *types.SystemContext, o SignOptions) (all [][]byte, err error) {
	source, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return nil, err
	}
	defer closing(&err, source)
	raw, kind, err := source.GetManifest(ctx, nil)
	if err != nil {
		return nil, err
	}
	all = [][]byte{raw}
	if o.All && manifest.MIMETypeIsMultiImage(kind) {
		more, err := instances(ctx, source, raw, kind)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// instances are the manifests of a list.
func instances(ctx context.Context, source types.ImageSource, raw []byte, kind string) ([][]byte, error) {
	list, err := manifest.ListFromBlob(raw, kind)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, d := range list.Instances() {
		m, _, err := source.GetManifest(ctx, &d)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// signManifest adds a signature to those that a manifest has.
func signManifest(ctx context.Context, ref types.ImageReference, sys *types.SystemContext, m []byte, o SignOptions) error {
	d, err := manifest.Digest(m)
	if err != nil {
		return err
	}
	sig, err := signature.SignDockerManifest(m, ref.DockerReference().String(), &gnupg{ctx, o.PassphraseFile}, o.Key)
	if err != nil {
		return err
	}
	if o.Directory != "" {
		return writeSignature(o.Directory, ref.DockerReference(), d, sig)
	}
	return silence.Watch(ctx, 0, func(ctx context.Context) error { return putSignature(ctx, ref, sys, d, sig) })
}

// writeSignature puts a signature into a directory with the layout of a lookaside server.
func writeSignature(dir string, named reference.Named, d digest.Digest, sig []byte) error {
	dir = filepath.Join(dir, fmt.Sprintf("%s@%s=%s", named.Name(), d.Algorithm(), d.Encoded()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for n := 1; ; n++ {
		file, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("signature-%d", n)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = file.Write(sig)
		return errors.Join(err, file.Close())
	}
}

// putSignature stores a signature where registries.d says.
func putSignature(ctx context.Context, ref types.ImageReference, sys *types.SystemContext, d digest.Digest, sig []byte) (err error) {
	source, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return err
	}
	defer closing(&err, source)
	known, err := source.GetSignatures(ctx, &d)
	if err != nil {
		return err
	}
	destination, err := ref.NewImageDestination(ctx, sys)
	if err != nil {
		return err
	}
	defer closing(&err, destination)
	err = destination.PutSignatures(ctx, append(slices.Clip(known), sig), &d)
	if errors.Is(err, os.ErrPermission) {
		return errdefs.Errorf(errdefs.ErrDenied, "cannot store the signature: %w; set lookaside-staging for this registry in ~/.config/containers/registries.d", err)
	}
	return err
}
