package cli

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/image"
)

// findImage is the image to run: the local one, or the one that the policy has pulled.
func (a *App) findImage(ctx context.Context, name, pull, platform string, quiet bool) (img *storage.Image, err error) {
	cfg, err := a.Config()
	if err != nil {
		return nil, err
	}
	policy, err := image.ParsePolicy(pull)
	if err != nil {
		return nil, err
	}
	if policy == image.PullMissing || policy == image.PullNever {
		img, err = storage.Resolve(cfg, name)
		if err == nil || policy == image.PullNever || !errors.Is(err, errdefs.ErrNotFound) {
			return img, err
		}
	}
	opts := image.PullOptions{Policy: policy, Copying: image.Copying{Retries: pullRetries}}
	if platform != "" {
		if opts.Platform, err = image.ParsePlatform(platform); err != nil {
			return nil, err
		}
	}
	if !quiet {
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
	return storage.Resolve(cfg, pulled[0].ID)
}

// pullRetries is how often a transfer that failed for a passing reason is tried again: Podman's number.
const pullRetries = 3

// imageName is the full name by which an image was asked for; its id when it was asked for by that.
func imageName(img *storage.Image, asked string) string {
	for _, name := range img.Names {
		if name == asked || strings.HasSuffix(name, "/"+asked) || strings.HasSuffix(name, "/"+asked+":latest") || name == asked+":latest" {
			return name
		}
	}
	if len(img.Names) > 0 && !strings.HasPrefix(img.ID, asked) {
		return img.Names[0]
	}
	return asked
}

func writeIDFile(path, id string) error {
	if path == "" {
		return nil
	}
	if err := os.WriteFile(path, []byte(id), 0o644); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot write the id: %w", err)
	}
	return nil
}
