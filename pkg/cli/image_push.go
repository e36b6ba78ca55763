//go:build !moss_front

package cli

import (
	"context"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/image"
)

// push pushes one image, or all that the store has of a repository.
func (o *pushOptions) push(ctx context.Context, images *image.Images, name, destination string) error {
	names := []string{name}
	if o.allTags {
		if destination != "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --all-tags with a destination: each tag goes where its name says")
		}
		var err error
		if names, err = images.AllTags(name); err != nil {
			return err
		}
	}
	for _, n := range names {
		if err := images.CheckPlatform(n, o.platform); err != nil {
			return err
		}
		if _, err := images.Push(ctx, n, destination, o.PushOptions); err != nil {
			return err
		}
	}
	return nil
}
