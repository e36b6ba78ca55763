//go:build !moss_front

package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/term"
	"github.com/mosscontainers/moss/storage/image"
)

// layered is what a name stands for, and the layers below its own topmost one.
type layered struct {
	all, below image.Layers
	container  bool
}

type findLayers func(engine *libpod.Engine, name string) (layered, error)

func containerLayers(engine *libpod.Engine, name string) (l layered, err error) {
	l.container = true
	l.all, l.below, err = engine.ContainerLayers(name)
	return l, err
}

func imageLayers(engine *libpod.Engine, name string) (l layered, err error) {
	l.all, l.below, err = image.TopLayer(engine.Config, name)
	return l, err
}

func anyLayers(engine *libpod.Engine, name string) (layered, error) {
	l, err := containerLayers(engine, name)
	if errors.Is(err, errdefs.ErrNotFound) {
		return imageLayers(engine, name)
	}
	return l, err
}

func newDiffCommand(app *App) *cobra.Command {
	return withLatest(diffCommand(app, "diff [flags] CONTAINER|IMAGE [CONTAINER|IMAGE]", "List what changed in the files of a container or an image", anyLayers))
}

func newContainerDiffCommand(app *App) *cobra.Command {
	return withLatest(diffCommand(app, "diff [flags] CONTAINER [CONTAINER]", "List what changed in the files of a container", containerLayers))
}

func newImageDiffCommand(app *App) *cobra.Command {
	cmd := diffCommand(app, "diff [flags] IMAGE [IMAGE]", "List what the topmost layer of an image changed, or how two images differ", imageLayers)
	cmd.ValidArgsFunction = app.completeImages
	return cmd
}

func withLatest(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolP(latestFlag, "l", false, "the container that was created last")
	return cmd
}

const latestFlag = "latest"

func diffCommand(app *App, use, short string, find findLayers) *cobra.Command {
	var text string
	cmd := &cobra.Command{
		Use: use, Short: short, ValidArgsFunction: app.completeContainers(every),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			latest, _ := cmd.Flags().GetBool(latestFlag) // images have no such flag
			if latest {
				if args, err = (&selection{latest: true}).refs(engine, args, every); err != nil {
					return err
				}
			}
			if err := rangeArgs(1, 2, "one or two names")(cmd, args); err != nil {
				return err
			}
			changes, err := differences(engine, find, args)
			if err != nil {
				return err
			}
			return app.printChanges(changes, text)
		},
	}
	cmd.Flags().StringVar(&text, "format", "", `"json" instead of lines`)
	return cmd
}

// differences are between two names, or between one and what it was made from.
func differences(engine *libpod.Engine, find findLayers, names []string) ([]image.Change, error) {
	last, err := find(engine, names[len(names)-1])
	if err != nil {
		return nil, err
	}
	before, container := last.below, last.container
	if len(names) == 2 {
		first, err := find(engine, names[0])
		if err != nil {
			return nil, err
		}
		before, container = first.all, container || first.container
	}
	changes, err := image.Diff(before, last.all)
	if !container {
		return changes, err
	}
	for _, name := range names { // of one that is being removed nobody knows how much was read
		if _, err := find(engine, name); err != nil {
			return nil, err
		}
	}
	return libpod.WithoutMountPoints(changes), err
}

// changedPaths is the object of diff --format json.
type changedPaths struct {
	Changed []string `json:"changed,omitempty"`
	Added   []string `json:"added,omitempty"`
	Deleted []string `json:"deleted,omitempty"`
}

func (a *App) printChanges(changes []image.Change, text string) error {
	switch text {
	case "":
		seen := term.IsTerminal(a.Out) // by somebody, and names are the container's choice
		for _, c := range changes {
			path := c.Path
			if seen {
				path = term.Printable(path)
			}
			if _, err := fmt.Fprintf(a.Out, "%c %s\n", c.Kind, path); err != nil {
				return err
			}
		}
		return nil
	case "json":
		return format.One(a.Out, byKind(changes), text)
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --format %q: it is json", text)
}

func byKind(changes []image.Change) changedPaths {
	var all changedPaths
	lists := map[image.Kind]*[]string{image.Changed: &all.Changed, image.Added: &all.Added, image.Deleted: &all.Deleted}
	for _, c := range changes {
		list := lists[c.Kind]
		*list = append(*list, c.Path)
	}
	return all
}
