//go:build !moss_front

package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/term"
	"github.com/mosscontainers/moss/storage/image"
)

func newHistoryCommand(app *App) *cobra.Command {
	var o format.Options
	var human bool
	var platform string
	cmd := &cobra.Command{
		Use: "history [flags] IMAGE", Short: "Show how an image was made",
		Args: exactArgs(1, "an image"), ValidArgsFunction: app.completeImage,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := app.Config()
			if err != nil {
				return err
			}
			name, err := image.ForPlatform(cfg, args[0], platform)
			if err != nil {
				return err
			}
			steps, err := image.History(cfg, name)
			if err != nil {
				return err
			}
			return historyTable(human).Print(app.Out, steps, o)
		},
	}
	o.AddFlags(cmd.Flags())
	cmd.Flags().BoolVarP(&human, "human", "H", true, "sizes and times for people")
	cmd.Flags().StringVar(&platform, "platform", "", "of a list, the image for this platform; an image for another is refused, OS/ARCH[/VARIANT]")
	return cmd
}

func historyTable(human bool) *format.Table[image.Step] {
	type row = image.Step
	now := time.Now()
	return &format.Table[row]{
		Columns: []format.Column[row]{
			{Name: "ID", Value: func(r row) any { return orMissing(r.ID) }, Short: shortUnlessMissing},
			{Name: "Created", Value: func(r row) any {
				if human {
					return term.Ago(r.Created, now)
				}
				return r.Created.Format(time.RFC3339)
			}},
			{Name: "CreatedAt", Header: "CREATED AT", Value: func(r row) any { return r.Created.Format(time.RFC3339) }},
			{Name: "CreatedSince", Header: "CREATED", Value: func(r row) any { return term.Ago(r.Created, now) }},
			{Name: "CreatedBy", Header: "CREATED BY", Value: func(r row) any { return r.CreatedBy }, Short: format.Ellipsis(45)},
			{Name: "Size", Value: func(r row) any {
				if human {
					return term.Size(r.Size)
				}
				return fmt.Sprint(r.Size)
			}},
			{Name: "Comment", Value: func(r row) any { return r.Comment }},
			{Name: "Tags", Value: func(r row) any { return r.Tags }},
		},
		Default: []string{"ID", "Created", "CreatedBy", "Size", "Comment"},
		Quiet:   "ID",
	}
}

// orMissing stands for the steps that no image of its own is left of.
func orMissing(id string) string {
	if id == "" {
		return "<missing>"
	}
	return id
}

func shortUnlessMissing(id string) string {
	if id == "<missing>" {
		return id
	}
	return names.Short(id)
}
