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
		if err := o.pushOne(ctx, images, n, destination); err != nil {
			return err
		}
	}
	return nil
}

// pushOne pushes an image or a list, or what a list has for --platform, under the list's name.
func (o *pushOptions) pushOne(ctx context.Context, images *image.Images, name, destination string) (err error) {
	id := name
	if o.platform != "" {
		if id, err = images.ForPlatform(name, o.platform); err != nil {
			return err
		}
		if destination == "" {
			if destination, err = images.OwnName(name); err != nil {
				return err
			}
		}
	}
	_, err = images.Push(ctx, id, destination, o.PushOptions)
	return err
}
