//go:build !moss_front

package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/cli/filter"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

func newVolumeCommand(app *App) *cobra.Command {
	return group("volume", "Work with volumes",
		newVolumeCreateCommand(app), newVolumeInspectCommand(app), newVolumeListCommand(app), newVolumePruneCommand(app), newVolumeRmCommand(app),
		existsCommand(app, "VOLUME", func(e *libpod.Engine, name string) error {
			_, err := e.Volume(name)
			return err
		}))
}

func newVolumeCreateCommand(app *App) *cobra.Command {
	var v libpod.Volume
	var labels, options []string
	var uid, gid int
	var ignore bool
	var name string
	cmd := &cobra.Command{
		Use: "create [flags] [NAME]", Short: "Make a volume", Args: maxArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			if len(args) == 1 && name != "" {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot name a volume both %s and %s", name, args[0])
			}
			v.Name = strings.Join(append(args, name), "")
			if v.Driver != "local" {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the volume driver %q: there is only local", v.Driver)
			}
			v.Labels = keyValues(labels)
			if v.Options = keyValues(options); uid != 0 || gid != 0 {
				v.Options["o"] = strings.TrimPrefix(fmt.Sprintf("%s,uid=%d,gid=%d", v.Options["o"], uid, gid), ",")
			}
			made, err := engine.CreateVolume(v)
			if ignore && errors.Is(err, errdefs.ErrConflict) {
				made, err = engine.Volume(v.Name)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(app.Out, made.Name)
			return err
		},
	}
	cmd.Flags().StringArrayVarP(&labels, "label", "l", nil, "attach a label, KEY=VALUE")
	cmd.Flags().StringArrayVarP(&options, "opt", "o", nil, "option, KEY=VALUE: type=none with o=bind and device=DIRECTORY, or type=tmpfs with o=size=…; o=uid=…,gid=…")
	cmd.Flags().IntVar(&uid, "uid", 0, "user of containers that owns it")
	cmd.Flags().IntVar(&gid, "gid", 0, "group of containers that owns it")
	cmd.Flags().StringVarP(&v.Driver, "driver", "d", "local", "volume driver (local)")
	cmd.Flags().BoolVar(&ignore, "ignore", false, "one that exists already is fine")
	cmd.Flags().StringVar(&name, "name", "", "the volume's name")
	cmd.Flags().Lookup("name").Hidden = true // Docker's old way, which scripts still have
	return cmd
}

func keyValues(pairs []string) map[string]string {
	m := map[string]string{}
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		m[key] = value
	}
	return m
}

func newVolumeInspectCommand(app *App) *cobra.Command {
	var o inspectOptions
	var all bool
	cmd := &cobra.Command{
		Use: "inspect [flags] VOLUME...", Short: "Print all that is known of volumes", ValidArgsFunction: app.completeVolumes,
		RunE: func(_ *cobra.Command, args []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			args, err = volumeNames(engine, args, all)
			if err != nil {
				return err
			}
			return o.print(app, args, func(ref string) (any, error) { return engine.Volume(ref) })
		},
	}
	cmd.Flags().StringVarP(&o.format, "format", "f", "", "print a Go template, or json")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all volumes")
	return cmd
}

// volumeNames are the volumes that a command line means.
func volumeNames(engine *libpod.Engine, args []string, all bool) ([]string, error) {
	if !all {
		if len(args) == 0 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "which volume? Give its name, or use --all")
		}
		return args, nil
	}
	volumes, err := engine.Volumes()
	names := make([]string, len(volumes))
	for i, v := range volumes {
		names[i] = v.Name
	}
	return names, err
}

// volumeFilters are the filters of volume ls and volume prune.
func volumeFilters(users map[string][]string) filter.Set[*libpod.Volume] {
	type row = *libpod.Volume
	return append(filter.Set[row]{
		{Name: "name", Match: filter.Regexp(func(v row) []string { return []string{v.Name} })},
		{Name: "driver", Match: filter.OneOf(func(v row) string { return v.Driver }, "local")},
		{Name: "scope", Match: filter.OneOf(func(v row) string { return v.Scope }, "local")},
		{Name: "dangling", Match: filter.Bool(func(v row) bool { return len(users[v.Name]) == 0 })},
		{Name: "anonymous", Match: filter.Bool(func(v row) bool { return v.Anonymous })},
		filter.Until(func(v row) time.Time { return v.CreatedAt }),
	}, filter.Labels(func(v row) map[string]string { return v.Labels })...)
}

func newVolumeListCommand(app *App) *cobra.Command {
	var o format.Options
	var filters []string
	cmd := &cobra.Command{
		Use: "ls [flags]", Aliases: []string{"list"}, Short: "List volumes", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			volumes, err := app.chooseVolumes(filters)
			if err != nil {
				return err
			}
			for _, v := range volumes {
				if v.Damaged != nil {
					app.Warn(v.Damaged.Error())
				}
			}
			return volumeTable().Print(app.Out, volumes, o)
		},
	}
	o.AddFlags(cmd.Flags())
	cmd.Flags().StringArrayVarP(&filters, "filter", "f", nil, "only those that match, KEY=VALUE")
	return cmd
}

func (a *App) chooseVolumes(filters []string) ([]*libpod.Volume, error) {
	engine, err := a.Engine()
	if err != nil {
		return nil, err
	}
	volumes, err := engine.Volumes()
	if err != nil {
		return nil, err
	}
	users, err := engine.Store.VolumeUsers()
	if err != nil {
		return nil, err
	}
	match, err := volumeFilters(users).Compile(filters)
	if err != nil {
		return nil, err
	}
	var chosen []*libpod.Volume
	for _, v := range volumes {
		if match(v) {
			chosen = append(chosen, v)
		}
	}
	return chosen, nil
}

func volumeTable() *format.Table[*libpod.Volume] {
	type row = *libpod.Volume
	return &format.Table[row]{
		Columns: []format.Column[row]{
			{Name: "Driver", Value: func(v row) any { return v.Driver }},
			{Name: "Name", Header: "VOLUME NAME", Value: func(v row) any { return v.Name }},
			{Name: "Mountpoint", Value: func(v row) any { return v.Mountpoint }},
			{Name: "Scope", Value: func(v row) any { return v.Scope }},
			{Name: "CreatedAt", Header: "CREATED AT", Value: func(v row) any { return v.CreatedAt.String() }},
			{Name: "Anonymous", Value: func(v row) any { return v.Anonymous }},
			{Name: "Options", Value: func(v row) any { return format.Labels(v.Options) }},
			{Name: "Labels", Value: func(v row) any { return format.Labels(v.Labels) }},
		},
		Default: []string{"Driver", "Name"},
		Quiet:   "Name",
	}
}

func newVolumeRmCommand(app *App) *cobra.Command {
	var all, force bool
	var o stopFlags
	cmd := &cobra.Command{
		Use: "rm [flags] VOLUME...", Aliases: []string{"remove"}, Short: "Remove volumes and what is in them", ValidArgsFunction: app.completeVolumes,
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			opts, err := o.options(cmd)
			if err != nil {
				return err
			}
			args, err = volumeNames(engine, args, all)
			if err != nil {
				return err
			}
			return app.each(args, func(name string) (string, error) {
				err := engine.RemoveVolume(cmd.Context(), name, force, opts.Timeout)
				if force && errors.Is(err, errdefs.ErrNotFound) {
					return "", nil
				}
				return name, err
			})
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all volumes")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "remove the containers that use them first; those that do not exist are fine")
	cmd.Flags().IntVarP(&o.timeout, "time", "t", 0, "seconds to wait before killing a running container (default 10)")
	return cmd
}

func newVolumePruneCommand(app *App) *cobra.Command {
	var o pruneOptions
	var all, dryRun bool
	cmd := &cobra.Command{
		Use: "prune [flags]", Short: "Remove the volumes without a name of their own that no container uses", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			what := "the volumes without a name of their own"
			if all {
				what = "all volumes"
			}
			if ok, err := app.confirm(o.force || dryRun, "This removes "+what+" that no container uses, with what is in them."); !ok {
				return err
			}
			return app.pruneVolumes(o.filters, all, dryRun)
		},
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVarP(&all, "all", "a", false, "those with a name too")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print which it would be")
	return cmd
}

// pruneVolumes removes the volumes that nobody uses; those that somebody has named only with all, or a filter that is about that. So both Docker and Podman
// have it by now: what is in a volume with a name was meant to be kept, and nothing brings it back.
func (a *App) pruneVolumes(filters []string, all, dryRun bool) error {
	engine, err := a.Engine()
	if err != nil {
		return err
	}
	set := append(volumeFilters(nil), filter.Key[*libpod.Volume]{
		Name: "all", Match: func(value string) (func(*libpod.Volume) bool, error) {
			on, err := strconv.ParseBool(value)
			all = all || on
			return func(*libpod.Volume) bool { return true }, err
		},
	})
	match, err := set.Compile(filters)
	if err != nil {
		return err
	}
	for _, f := range filters {
		all = all || strings.HasPrefix(f, "anonymous=")
	}
	removed, err := engine.PruneVolumes(func(v *libpod.Volume) bool { return (all || v.Anonymous) && match(v) }, dryRun)
	for _, v := range removed {
		if _, err := fmt.Fprintln(a.Out, v.Name); err != nil {
			return err
		}
	}
	return err
}
