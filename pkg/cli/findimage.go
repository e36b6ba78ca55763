//go:build !moss_front

package cli

import (
	"context"
	"errors"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/image"
)

// findImage is the image to run: the local one, or the one that the policy has pulled.
func (a *App) findImage(ctx context.Context, name string, o imageChoice, _ bool) (img *storage.Image, err error) {
	cfg, err := a.Config()
	if err != nil {
		return nil, err
	}
	policy, err := image.ParsePolicy(o.pull)
	if err != nil {
		return nil, err
	}
	if policy == image.PullMissing || policy == image.PullNever {
		img, err = localImage(cfg, name, o.platform)
		if err == nil || policy == image.PullNever || !errors.Is(err, errdefs.ErrNotFound) {
			return img, err
		}
	}
	opts := image.PullOptions{Policy: policy, Copying: image.Copying{Retries: pullRetries}}
	opts.Registry = image.Registry{AuthFile: o.authFile, Creds: o.creds, CertDir: o.certDir, TLSVerify: o.tlsVerify}
	if o.platform != "" {
		if opts.Platform, err = image.ParsePlatform(o.platform); err != nil {
			return nil, err
		}
	}
	if !o.quiet {
		opts.Progress = a.Err
	}
	images, err := image.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, images.Close()) }()
	pulled, err := images.Pull(ctx, name, opts)
	if err != nil {
		return nil, err
	}
	a.Warn(images.Mismatches(pulled, opts.Platform)...)
	return storage.Resolve(cfg, pulled[0].ID)
}

// localImage is the local image, or that of a local list, for a platform; "" is this machine's.
func localImage(cfg *config.Config, name, platform string) (*storage.Image, error) {
	id, err := image.ForPlatform(cfg, name, platform)
	if err != nil {
		return nil, err
	}
	return storage.Resolve(cfg, id)
}

// resolve finds a local image.
func (a *App) resolve(cfg *config.Config, name string) (*storage.Image, error) {
	return storage.Resolve(cfg, name)
}

// pullRetries is how often a transfer that failed for a passing reason is tried again: Podman's number.
const pullRetries = 3
