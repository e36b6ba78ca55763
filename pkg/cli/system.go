//go:build !moss_front

package cli

import (
	"context"
	"fmt"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

func newSystemCommand(app *App) *cobra.Command {
	return group("system", "Look after Moss itself", newInfoCommand(app), newDiskUsageCommand(app), newSystemPruneCommand(app), newResetCommand(app))
}

// usageRow is a line of system df.
type usageRow struct {
	Type          string
	Total, Active int
	Size          int64
	Reclaimable   int64
}

func newDiskUsageCommand(app *App) *cobra.Command {
	var o format.Options
	var each bool
	cmd := &cobra.Command{
		Use: "df [flags]", Short: "Print what images, containers and volumes take on disk", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if each && o.Format != "" {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --verbose with --format: choose one")
			}
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			usage, err := engine.Usage()
			if err != nil {
				return err
			}
			cache, err := build.Usage(engine)
			if err != nil {
				return err
			}
			if each {
				return app.printUsageOfEach(usage, cache)
			}
			return usageTable().Print(app.Out, usageRows(usage, cache), o)
		},
	}
	cmd.Flags().StringVar(&o.Format, "format", "", `print "json", "table", or rows of a Go template`)
	cmd.Flags().BoolVarP(&each, "verbose", "v", false, "what each of them takes")
	return cmd
}

func usageTable() *format.Table[usageRow] {
	return &format.Table[usageRow]{
		Columns: []format.Column[usageRow]{
			{Name: "Type", Value: func(r usageRow) any { return r.Type }},
			{Name: "Total", Value: func(r usageRow) any { return r.Total }},
			{Name: "TotalCount", Header: "TOTAL", Value: func(r usageRow) any { return r.Total }},
			{Name: "Active", Value: func(r usageRow) any { return r.Active }},
			{Name: "Size", Value: func(r usageRow) any { return units.HumanSize(float64(r.Size)) }},
			{Name: "RawSize", Value: func(r usageRow) any { return r.Size }},
			{Name: "Reclaimable", Value: func(r usageRow) any {
				percent := 0
				if r.Size > 0 {
					percent = int(r.Reclaimable * 100 / r.Size)
				}
				return fmt.Sprintf("%s (%d%%)", units.HumanSize(float64(r.Reclaimable)), percent)
			}},
		},
		Default: []string{"Type", "Total", "Active", "Size", "Reclaimable"},
	}
}

func usageRows(u *libpod.Usage, cache []build.Entry) []usageRow {
	images := usageRow{Type: "Images", Total: u.Images.Images, Size: u.Images.Size, Reclaimable: u.Images.Reclaimable}
	for _, img := range u.Images.PerImage {
		if img.Used {
			images.Active++
		}
	}
	containers := usageRow{Type: "Containers", Total: len(u.Containers)}
	for _, c := range u.Containers {
		containers.Size += c.Size
		if c.State.Active() {
			containers.Active++
		} else {
			containers.Reclaimable += c.Size
		}
	}
	volumes := usageRow{Type: "Local Volumes", Total: len(u.Volumes)}
	for _, v := range u.Volumes {
		volumes.Size += v.Size
		if v.Users > 0 {
			volumes.Active++
		} else {
			volumes.Reclaimable += v.Size
		}
	}
	return []usageRow{images, containers, volumes, cacheRow(cache)}
}

// cacheRow counts what is in use or an image has as active: a layer does not go before its image, which counts its size too.
func cacheRow(entries []build.Entry) usageRow {
	row := usageRow{Type: "Build Cache", Total: len(entries)}
	for _, e := range entries {
		row.Size += e.Size
		if e.Shared || e.InUse {
			row.Active++
		} else {
			row.Reclaimable += e.Size
		}
	}
	return row
}

func newSystemPruneCommand(app *App) *cobra.Command {
	var o pruneOptions
	var all, volumes, withBuild, external bool
	cmd := &cobra.Command{
		Use: "prune [flags]", Short: "Remove what nothing uses", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if ok, err := app.confirm(o.force, "This removes all containers that do not run and all images without a name that no container uses, and what builds remember."); !ok {
				return err
			}
			before, err := app.diskUsed()
			if err != nil {
				return err
			}
			if err := app.prune(cmd.Context(), o.filters, all, volumes); err != nil {
				return err
			}
			after, err := app.diskUsed()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(app.Out, "Total reclaimed space: %s\n", units.HumanSize(float64(max(before-after, 0))))
			return err
		},
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVarP(&all, "all", "a", false, "also images with a name that no container uses")
	cmd.Flags().BoolVar(&volumes, "volumes", false, "also volumes without a name of their own that no container uses; moss volume prune --all removes the others")
	cmd.Flags().BoolVar(&withBuild, "build", true, "accepted for podman's sake: what builds remember is removed anyway, as docker does")
	cmd.Flags().BoolVar(&external, "external", false, "accepted for podman's sake: what others left in the store goes with the images")
	cmd.Flags().Lookup("build").Hidden, cmd.Flags().Lookup("external").Hidden = true, true
	return cmd
}

func (a *App) prune(ctx context.Context, filters []string, all, volumes bool) error {
	if err := a.pruneContainers(ctx, filters); err != nil {
		return err
	}
	if volumes {
		if err := a.pruneVolumes(filters, false, false); err != nil {
			return err
		}
	}
	if err := a.pruneImages(ctx, filters, all); err != nil {
		return err
	}
	_, err := a.pruneCacheToo(ctx, filters, all)
	return err
}

// diskUsed is what everything takes, in bytes; what builds remember and an image has counts once.
func (a *App) diskUsed() (int64, error) {
	engine, err := a.Engine()
	if err != nil {
		return 0, err
	}
	usage, err := engine.Usage()
	if err != nil {
		return 0, err
	}
	cache, err := build.Usage(engine)
	size := usage.Images.Size
	for _, c := range usage.Containers {
		size += c.Size
	}
	for _, v := range usage.Volumes {
		size += v.Size
	}
	for _, e := range cache {
		if !e.Shared {
			size += e.Size
		}
	}
	return size, err
}

func newResetCommand(app *App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "reset [flags]", Short: "Remove all containers, volumes and images", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if ok, err := app.confirm(force, "This removes ALL containers, volumes and images of this store, those of Podman and Buildah too."); !ok {
				return err
			}
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			return engine.Reset(cmd.Context())
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "do not ask")
	return cmd
}
