//go:build !moss_front

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/image"
)

func newImageMountCommand(app *App) *cobra.Command {
	var all bool
	var text string
	cmd := &cobra.Command{
		Use: "mount [flags] [IMAGE...]", Short: "Mount images to look at their files, or list the mounted ones",
		ValidArgsFunction: app.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			if text != "" && text != "json" {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --format %q: it is json", text)
			}
			return app.withImages(cmd.Context(), func(images *image.Images) (err error) {
				if args, err = app.everyNamed(args, all); err != nil {
					return err
				}
				if len(args) == 0 && !all {
					mounted, err := images.MountedImages()
					return firstErr(err, app.printMounted(mounted, text, false))
				}
				return app.mountImages(images, args, text)
			})
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all images")
	cmd.Flags().StringVar(&text, "format", "", `"json" instead of lines`)
	return cmd
}

// everyNamed are the images that were named, or the ids of all.
func (a *App) everyNamed(args []string, all bool) ([]string, error) {
	if !all {
		return args, nil
	}
	if len(args) > 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --all together with names of images")
	}
	engine, err := a.Engine()
	if err != nil {
		return nil, err
	}
	return a.removable(engine, true)
}

// mountImages prints what it mounted, also when one image fails: somebody must unmount it.
func (a *App) mountImages(images *image.Images, args []string, text string) error {
	var mounted []image.Mounted
	var failure error
	for _, name := range args {
		var m *image.Mounted
		if m, failure = images.Mount(name); failure != nil {
			break
		}
		mounted = append(mounted, *m)
	}
	return firstErr(a.printMounted(mounted, text, len(args) == 1), failure)
}

// mountedJSON has podman's names.
type mountedJSON struct {
	ID           string   `json:"id"`
	Repositories []string `json:"Repositories"`
	Mountpoint   string   `json:"mountpoint"`
}

func (a *App) printMounted(mounted []image.Mounted, text string, pathOnly bool) error {
	if text == "json" {
		objects := []mountedJSON{}
		for _, m := range mounted {
			objects = append(objects, mountedJSON{m.ID, m.Names, m.Path})
		}
		return format.One(a.Out, objects, text)
	}
	for _, m := range mounted {
		line := names.Short(m.ID) + "  " + m.Path
		if len(m.Names) > 0 {
			line = m.Names[0] + "  " + m.Path
		}
		if pathOnly {
			line = m.Path
		}
		if _, err := fmt.Fprintln(a.Out, line); err != nil {
			return err
		}
	}
	return nil
}

func newImageUnmountCommand(app *App) *cobra.Command {
	var all, force bool
	cmd := &cobra.Command{
		Use: "unmount [flags] IMAGE...", Aliases: []string{"umount"}, Short: "Unmount images", ValidArgsFunction: app.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			return app.withImages(cmd.Context(), func(images *image.Images) error {
				if !all {
					if err := minArgs(1, "an image")(cmd, args); err != nil {
						return err
					}
				} else {
					mounted, err := images.MountedImages()
					if err != nil {
						return err
					}
					for _, m := range mounted {
						args = append(args, m.ID)
					}
				}
				return app.each(args, func(name string) (string, error) { return images.Unmount(name, force) })
			})
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all that are mounted")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "however often it was mounted")
	return cmd
}
