package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

type inspectOptions struct {
	format string
	kind   string
	size   bool
	latest selection
}

func (o *inspectOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.format, "format", "f", "", "print a Go template, or json")
	cmd.Flags().BoolVarP(&o.size, "size", "s", false, "also how much a container's own layer holds")
	o.latest.addLatest(cmd.Flags())
}

// args checks the arguments: what there is to be, unless --latest names it.
func (o *inspectOptions) args(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if o.latest.latest {
			return noArgs(cmd, args)
		}
		return minArgs(1, what)(cmd, args)
	}
}

// refs are the objects meant.
func (o *inspectOptions) refs(engine *libpod.Engine, args []string) ([]string, error) {
	if !o.latest.latest {
		return args, nil
	}
	return o.latest.refs(engine, nil, every)
}

// engine is the engine; for --size in the namespace, as whose root alone all files of a container can be seen.
func (o *inspectOptions) engine(ctx context.Context, app *App) (*libpod.Engine, error) {
	engine, err := app.Engine()
	if err == nil && o.size {
		err = app.enterAnyway(ctx, engine)
	}
	return engine, err
}

// print finds every object and prints those that were found, then says which were not.
func (o *inspectOptions) print(app *App, refs []string, find func(ref string) (any, error)) error {
	var found []any
	var errs []error
	for _, ref := range refs {
		object, err := find(ref)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found = append(found, object)
	}
	return errors.Join(append([]error{format.Inspect(app.Out, found, o.format)}, errs...)...)
}

func newInspectCommand(app *App) *cobra.Command {
	var o inspectOptions
	cmd := &cobra.Command{
		Use: "inspect [flags] NAME...", Short: "Print all that is known of containers, images, volumes or networks",
		Args:              o.args("a container, an image, a volume or a network"),
		ValidArgsFunction: app.completeObjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := o.engine(cmd.Context(), app)
			if err != nil {
				return err
			}
			refs, err := o.refs(engine, args)
			if err != nil {
				return err
			}
			return o.print(app, refs, func(ref string) (any, error) { return o.find(app, engine, ref) })
		},
	}
	o.addFlags(cmd)
	cmd.Flags().StringVarP(&o.kind, "type", "t", "all", "what the names are of: container, image, volume, network or all")
	return cmd
}

// find looks for a name among the kinds of objects that --type allows, in Podman's order.
func (o *inspectOptions) find(app *App, engine *libpod.Engine, ref string) (any, error) {
	kinds := []struct {
		name string
		find func() (any, error)
	}{
		{"container", func() (any, error) { return engine.InspectContainer(ref, o.size) }},
		{"image", func() (any, error) { return app.inspectImage(ref) }},
		{"volume", func() (any, error) { return engine.Volume(ref) }},
		{"network", func() (any, error) { return engine.InspectNetwork(ref) }},
	}
	known := false
	for _, k := range kinds {
		if o.kind != "all" && o.kind != k.name {
			continue
		}
		known = true
		object, err := k.find()
		if err == nil || !errors.Is(err, errdefs.ErrNotFound) {
			return object, err
		}
	}
	if !known {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot inspect a %q: --type is container, image, volume, network or all", o.kind)
	}
	return nil, errdefs.Errorf(errdefs.ErrNotFound, "no such object: %q; moss ps -a, moss images, moss volume ls and moss network ls list them", ref)
}

func newContainerInspectCommand(app *App) *cobra.Command {
	var o inspectOptions
	cmd := &cobra.Command{
		Use: "inspect [flags] CONTAINER...", Short: "Print all that is known of containers",
		Args:              o.args("a container"),
		ValidArgsFunction: app.completeContainers(every),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := o.engine(cmd.Context(), app)
			if err != nil {
				return err
			}
			refs, err := o.refs(engine, args)
			if err != nil {
				return err
			}
			return o.print(app, refs, func(ref string) (any, error) { return engine.InspectContainer(ref, o.size) })
		},
	}
	o.addFlags(cmd)
	return cmd
}
