//go:build !moss_front

package cli

import (
	"context"
	"fmt"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/storage"
)

// systemCommands are the commands about Moss and this machine.
func systemCommands(app *App) []*cobra.Command {
	return []*cobra.Command{
		newInfoCommand(app), newVersionCommand(app), newUnshareCommand(app),
		group("system", "Look after Moss itself", newInfoCommand(app), newDiskUsageCommand(app), newSystemPruneCommand(app), newResetCommand(app)),
	}
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
	cmd := &cobra.Command{
		Use: "df [flags]", Short: "Print what images, containers and volumes take on disk", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			usage, err := engine.Usage()
			if err != nil {
				return err
			}
			return usageTable().Print(app.Out, usageRows(usage), o)
		},
	}
	cmd.Flags().StringVar(&o.Format, "format", "", `print "json", "table", or rows of a Go template`)
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

func usageRows(u *libpod.Usage) []usageRow {
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
	return []usageRow{images, containers, volumes, cacheRow(u.Cache)}
}

// cacheRow counts a layer that an image has as active: it does not go before the image, which counts its size too.
func cacheRow(layers []storage.Kept) usageRow {
	row := usageRow{Type: "Build Cache", Total: len(layers)}
	for _, l := range layers {
		row.Size += l.Size
		if l.Used {
			row.Active++
		} else {
			row.Reclaimable += l.Size
		}
	}
	return row
}

func newSystemPruneCommand(app *App) *cobra.Command {
	var o pruneOptions
	var all, volumes bool
	cmd := &cobra.Command{
		Use: "prune [flags]", Short: "Remove what nothing uses", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if ok, err := app.confirm(o.force, "This removes all containers that do not run and all images without a name that no container uses."); !ok {
				return err
			}
			return app.prune(cmd.Context(), o.filters, all, volumes)
		},
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVarP(&all, "all", "a", false, "also images with a name that no container uses")
	cmd.Flags().BoolVar(&volumes, "volumes", false, "also volumes that no container uses")
	return cmd
}

func (a *App) prune(ctx context.Context, filters []string, all, volumes bool) error {
	if err := a.pruneContainers(ctx, filters); err != nil {
		return err
	}
	if volumes {
		if err := a.pruneVolumes(filters); err != nil {
			return err
		}
	}
	return a.pruneImages(ctx, filters, all)
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
