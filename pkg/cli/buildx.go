//go:build !moss_front

package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/cli/format"
)

// newBuilderCommand and newBuildxCommand are where docker has it too.
func newBuilderCommand(app *App) *cobra.Command {
	return group("builder", "Work with builds", builderCommands(app)...)
}

func newBuildxCommand(app *App) *cobra.Command {
	cmd := group("buildx", "Work with builds, under docker's other name", builderCommands(app)...)
	addBuilderFlags(cmd.PersistentFlags())
	cmd.AddCommand(newBuilderListCommand(app), newImagetoolsCommand(app))
	for _, c := range []struct{ use, short string }{
		{"create [flags] [NAME]", "Accepted for compatibility: there is a builder already"},
		{"use [flags] NAME", "Accepted for compatibility: there is one builder"},
		{"rm [flags] [NAME...]", "Accepted for compatibility: nothing was made that is to be removed"},
		{"stop [flags] [NAME]", "Accepted for compatibility: nothing runs between builds"},
	} {
		cmd.AddCommand(newBuilderNothingCommand(app, c.use, c.short))
	}
	return cmd
}

func builderCommands(app *App) []*cobra.Command {
	build := newBuildCommand(app)
	build.Aliases = []string{"b"}
	return []*cobra.Command{
		build, newBuilderPruneCommand(app), newBuilderUsageCommand(app), newBuilderInspectCommand(app), newBuilderVersionCommand(app),
	}
}

// theBuilder is the name of the only builder there is: this program.
const theBuilder = "moss"

// builderRow is a builder, as buildx lists them.
type builderRow struct{ Name, DriverEndpoint, Status, Platforms string }

func here() builderRow {
	return builderRow{Name: theBuilder, DriverEndpoint: theBuilder, Status: "running", Platforms: platforms.Format(build.Here())}
}

func newBuilderInspectCommand(app *App) *cobra.Command {
	var bootstrap bool
	cmd := &cobra.Command{
		Use: "inspect [flags] [NAME]", Short: "Tell of the builder, which is moss itself", Args: rangeArgs(0, 1, "at most one builder"),
		RunE: func(*cobra.Command, []string) error {
			b := here()
			_, err := fmt.Fprintf(app.Out, "Name:   %s\nDriver: %s\n\nNodes:\nName:      %s\nStatus:    %s\nPlatforms: %s\n", b.Name, b.DriverEndpoint, b.Name, b.Status, b.Platforms)
			return err
		},
	}
	cmd.Flags().BoolVar(&bootstrap, "bootstrap", false, "accepted for compatibility: there is nothing to start")
	addBuilderFlags(cmd.Flags())
	return cmd
}

func newBuilderVersionCommand(app *App) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(app.Out, "moss", Version)
			return err
		},
	}
}

func newBuilderListCommand(app *App) *cobra.Command {
	var o format.Options
	cmd := &cobra.Command{
		Use: "ls [flags]", Short: "List builders: there is one", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			return (&format.Table[builderRow]{
				Columns: []format.Column[builderRow]{
					{Name: "Name", Header: "NAME/NODE", Value: func(b builderRow) any { return b.Name }},
					{Name: "DriverEndpoint", Header: "DRIVER/ENDPOINT", Value: func(b builderRow) any { return b.DriverEndpoint }},
					{Name: "Status", Value: func(b builderRow) any { return b.Status }},
					{Name: "Platforms", Value: func(b builderRow) any { return b.Platforms }},
				},
				Default: []string{"Name", "DriverEndpoint", "Status", "Platforms"},
			}).Print(app.Out, []builderRow{here()}, o)
		},
	}
	cmd.Flags().StringVar(&o.Format, "format", "table", `print "json", "table", or rows of a Go template`)
	cmd.Flags().BoolVar(&o.NoTrunc, "no-trunc", false, "do not shorten what is printed")
	addBuilderFlags(cmd.Flags())
	return cmd
}

// newBuilderNothingCommand makes one of buildx's commands that scripts run before they build.
func newBuilderNothingCommand(app *App, use, short string) *cobra.Command {
	name, _, _ := strings.Cut(use, " ")
	var called string
	cmd := &cobra.Command{
		Use: use, Short: short,
		RunE: func(*cobra.Command, []string) error {
			if called == "" {
				return nil
			}
			_, err := fmt.Fprintln(app.Out, called) // what create prints
			return err
		},
	}
	fs := cmd.Flags()
	addBuilderFlags(fs)
	for _, toggle := range map[string][]string{
		"create": {"append", "bootstrap", "leave", "use"}, "use": {"default", "global"}, "rm": {"all-inactive", "force", "keep-daemon", "keep-state"},
	}[name] {
		short := ""
		if toggle == "force" {
			short = "f"
		}
		fs.BoolP(toggle, short, false, "accepted for compatibility")
	}
	if name == "create" {
		fs.StringVar(&called, "name", theBuilder, "accepted for compatibility")
		for _, value := range []string{"buildkitd-config", "buildkitd-flags", "driver", "driver-opt", "node", "platform"} {
			fs.StringArray(value, nil, "accepted for compatibility")
		}
	}
	return cmd
}

// addBuilderFlags declares docker's flags about builders, of which there is one.
func addBuilderFlags(fs *pflag.FlagSet) {
	fs.String("builder", "", "accepted for compatibility: there is one")
	fs.Duration("timeout", 20*time.Second, "accepted for compatibility: there is nobody to wait for")
	fs.BoolP("debug", "D", false, "accepted for compatibility: say more with --log-level debug")
}
