//go:build !moss_front

package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/image"
)

func newImageCommand(app *App) *cobra.Command {
	cmd := group(
		"image", "Work with images",
		newPullCommand(app), newPushCommand(app), newLoadCommand(app), newSaveCommand(app), newImportCommand(app),
		newTagCommand(app), newUntagCommand(app), newHistoryCommand(app), newSearchCommand(app),
	)
	list, remove := newImagesCommand(app, "ls"), newRmiCommand(app, "rm")
	list.Aliases, remove.Aliases = []string{"list"}, []string{"remove"}
	cmd.AddCommand(list, remove, newBuildCommand(app), newImagePruneCommand(app), newImageInspectCommand(app), newImageDiffCommand(app),
		newImageTreeCommand(app), newImageMountCommand(app), newImageUnmountCommand(app), newImageSignCommand(app), newImageTrustCommand(app),
		newImageScpCommand(app),
		existsCommand(app, "IMAGE", func(e *libpod.Engine, name string) error {
			_, err := storage.Resolve(e.Config, name)
			return err
		}))
	return cmd
}

// withImages opens the store for what do does.
func (a *App) withImages(ctx context.Context, do func(*image.Images) error) (err error) {
	cfg, err := a.Config()
	if err != nil {
		return err
	}
	images, err := image.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, images.Close()) }()
	return do(images)
}

// inspectImage is what inspect and image inspect show.
func (a *App) inspectImage(name string) (any, error) {
	cfg, err := a.Config()
	if err != nil {
		return nil, err
	}
	inspected, err := image.Inspect(cfg, name)
	if err != nil {
		return nil, err // not a pointer in an interface
	}
	return inspected, nil
}

func newImageInspectCommand(app *App) *cobra.Command {
	var o inspectOptions
	var platform string
	cmd := &cobra.Command{
		Use: "inspect [flags] IMAGE...", Short: "Print all that is known of images",
		Args: minArgs(1, "an image"), ValidArgsFunction: app.completeImages,
		RunE: func(_ *cobra.Command, args []string) error {
			return o.print(app, args, func(name string) (any, error) {
				cfg, err := app.Config()
				if err != nil {
					return nil, err
				}
				if name, err = image.ForPlatform(cfg, name, platform); err != nil {
					return nil, err
				}
				return app.inspectImage(name)
			})
		},
	}
	cmd.Flags().StringVarP(&o.format, "format", "f", "", "print a Go template, or json")
	cmd.Flags().StringVar(&platform, "platform", "", "of a list, the image for this platform; an image for another is refused, OS/ARCH[/VARIANT]")
	return cmd
}
