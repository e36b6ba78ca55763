//go:build !moss_front

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/cli/filter"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/image"
)

func newTagCommand(app *App) *cobra.Command {
	return &cobra.Command{
		Use: "tag IMAGE NAME...", Short: "Give an image another name",
		Args: minArgs(2, "an image and a new name"), ValidArgsFunction: app.completeImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			return app.withImages(cmd.Context(), func(images *image.Images) error { return images.Tag(args[0], args[1:]) })
		},
	}
}

func newUntagCommand(app *App) *cobra.Command {
	return &cobra.Command{
		Use: "untag IMAGE [NAME...]", Short: "Take names from an image, or all of them",
		Args: minArgs(1, "an image"), ValidArgsFunction: app.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			return app.withImages(cmd.Context(), func(images *image.Images) error { return images.Untag(args[0], args[1:]) })
		},
	}
}

type rmiOptions struct {
	all, force, ignore, keepParents bool
	platforms                       []string
}

func newRmiCommand(app *App, use string) *cobra.Command {
	var o rmiOptions
	cmd := &cobra.Command{
		Use: use + " [flags] IMAGE...", Short: "Remove images", ValidArgsFunction: app.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && !o.all {
				return errdefs.Errorf(errdefs.ErrInvalid, "which image? Give its name, or use --all")
			}
			return app.removeImages(cmd.Context(), args, o)
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&o.all, "all", "a", false, "all images that no container uses")
	fs.BoolVarP(&o.force, "force", "f", false, "remove the containers that use them first, and images with several names")
	fs.BoolVarP(&o.ignore, "ignore", "i", false, "an image that is not there is fine")
	fs.BoolVar(&o.keepParents, "no-prune", false, "accepted for podman's sake: images that another one was built on are never removed with it")
	fs.StringSliceVar(&o.platforms, "platform", nil, "only an image of one of these platforms, OS/ARCH[/VARIANT]")
	return cmd
}

func (a *App) removeImages(ctx context.Context, names []string, o rmiOptions) error {
	engine, err := a.Engine()
	if err != nil {
		return err
	}
	if o.all {
		if names, err = a.removable(engine, o.force); err != nil {
			return err
		}
	}
	opts := image.RemoveOptions{
		Force: o.force || o.all,
		InUse: usersOf(engine),
		Evict: evict(engine, o.force),
	}
	return a.withImages(ctx, func(images *image.Images) error {
		unpinned := images.UnpinUnused(opts.InUse)
		return firstErr(a.each(names, func(name string) (string, error) {
			if err := ofPlatform(images, name, o.platforms); err != nil {
				return "", err
			}
			removed, err := images.Remove(ctx, name, opts)
			if err != nil {
				if errors.Is(err, errdefs.ErrNotFound) && (o.ignore || o.force) {
					err = nil
				}
				return "", err
			}
			return describe(removed), nil
		}), unpinned)
	})
}

// ofPlatform refuses an image that is of none of the platforms, where there are any.
func ofPlatform(images *image.Images, name string, platforms []string) (err error) {
	for _, platform := range platforms {
		if _, err = images.ForPlatform(name, platform); err == nil {
			return nil
		}
	}
	return err
}

// usersOf tells what people call the containers that use an image now.
func usersOf(engine *libpod.Engine) image.InUse {
	return func(id string) ([]string, error) {
		users, err := engine.ImageUsers()
		var called []string
		for _, user := range users[id] {
			if c, err := engine.Whole(user); err == nil {
				called = append(called, c.Spec.Name)
			} else {
				called = append(called, names.Short(user))
			}
		}
		return called, err
	}
}

// removable are the ids of all images that --all means.
func (a *App) removable(engine *libpod.Engine, force bool) ([]string, error) {
	users, err := engine.ImageUsers()
	if err != nil {
		return nil, err
	}
	all, err := storage.ListImages(engine.Config.Storage)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, img := range all {
		if !img.ReadOnly && (force || len(users[img.ID]) == 0) {
			list = append(list, img.ID)
		}
	}
	return list, nil
}

// evict removes an image's containers when the user said --force; --all alone does not say so.
func evict(engine *libpod.Engine, force bool) func(context.Context, string) error {
	if !force {
		return nil
	}
	return func(ctx context.Context, id string) error {
		users, err := engine.ImageUsers()
		errs := []error{err}
		for _, container := range users[id] {
			errs = append(errs, engine.Remove(ctx, container, libpod.RemoveOptions{Force: true}))
		}
		return errors.Join(errs...)
	}
}

func describe(r *image.Removed) string {
	text := ""
	for _, name := range r.Untagged {
		text += "Untagged: " + name + "\n"
	}
	if r.Deleted != "" {
		return text + "Deleted: " + r.Deleted
	}
	return text[:max(len(text)-1, 0)]
}

func newImagePruneCommand(app *App) *cobra.Command {
	var o pruneOptions
	var all, withCache bool
	cmd := &cobra.Command{
		Use: "prune [flags]", Short: "Remove images that nothing uses", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			what := "This removes all images without a name that no container uses."
			if all {
				what = "This removes all images that no container uses."
			}
			if ok, err := app.confirm(o.force, what); !ok {
				return err
			}
			if err := app.pruneImages(cmd.Context(), o.filters, all); err != nil || !withCache {
				return err
			}
			return app.printTotal(app.pruneCacheToo(cmd.Context(), o.filters, all))
		},
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&withCache, "build-cache", false, "also what builds remember")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "also images with a name")
	cmd.Flags().Bool("external", false, "accepted for podman's sake: containers of other tools are never removed, nor what they use")
	return cmd
}

func (a *App) pruneImages(ctx context.Context, filters []string, all bool) error {
	engine, err := a.Engine()
	if err != nil {
		return err
	}
	set := pruneFilters(engine.Config)
	match, err := set.Compile(filters)
	if err != nil {
		return err
	}
	return a.withImages(ctx, func(images *image.Images) error {
		pruned, err := images.Prune(ctx, image.PruneOptions{
			All: all, Filter: match, InUse: usersOf(engine),
		})
		if pruned == nil {
			return err
		}
		slices.Sort(pruned.Deleted)
		for _, id := range pruned.Deleted {
			if _, err := fmt.Fprintln(a.Out, id); err != nil {
				return err
			}
		}
		return err
	})
}

// pruneFilters are those of prune: Docker's until and label.
func pruneFilters(cfg *config.Config) filter.Set[storage.Summary] {
	return append(filter.Set[storage.Summary]{filter.Until(createdAt)}, filter.Labels(labelsOf(cfg))...)
}
