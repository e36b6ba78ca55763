package image

import (
	"context"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"
)

// Pull copies an artifact from a registry.
func (a *Artifacts) Pull(ctx context.Context, name string, o PullOptions) (digest.Digest, error) {
	var d digest.Digest
	err := a.transfer(ctx, name, name, o.Registry, func(local, remote types.ImageReference, sys *types.SystemContext) error {
		_, raw, err := a.images.copy(ctx, transfer{src: remote, dst: local, srcSys: sys, dstSys: sys, decrypt: o.DecryptionKeys}, o.Copying)
		d = digest.FromBytes(raw)
		return err
	})
	return d, explain(err, "pull artifact", name)
}

// Push copies an artifact to a registry; destination "" is the one of its name.
func (a *Artifacts) Push(ctx context.Context, name, destination string, o PushOptions) (digest.Digest, error) {
	found, err := a.Inspect(ctx, name)
	if err != nil {
		return "", err
	}
	var d digest.Digest
	err = a.transfer(ctx, found.Name, firstOf(destination, found.Name), o.Registry, func(local, remote types.ImageReference, sys *types.SystemContext) error {
		t := transfer{src: local, dst: remote, srcSys: sys, dstSys: sys, seal: o.Sealing}
		_, raw, err := a.images.copy(ctx, t, o.Copying)
		if d = digest.FromBytes(raw); err != nil || o.Key == "" {
			return err
		}
		return signManifest(ctx, remote, sys, raw, SignOptions{Key: o.Key, PassphraseFile: o.PassphraseFile})
	})
	if err == nil {
		err = writeDigest(o.DigestFile, d)
	}
	return d, explain(err, "push artifact", name)
}

// transfer calls do with both ends of a copy, under the lock that Podman takes for it.
func (a *Artifacts) transfer(ctx context.Context, local, remote string, r Registry, do func(local, remote types.ImageReference, sys *types.SystemContext) error) error {
	name, err := artifactName(local)
	if err != nil {
		return err
	}
	other, err := artifactName(remote)
	if err != nil {
		return err
	}
	sys, err := a.images.systemContext(r, Platform{})
	if err != nil {
		return err
	}
	localRef, err := layout.NewReference(a.dir, name.String())
	if err != nil {
		return err
	}
	remoteRef, err := docker.NewReference(other)
	if err != nil {
		return err
	}
	return a.change(ctx, func() error { return do(localRef, remoteRef, sys) })
}
