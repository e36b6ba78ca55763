//go:build moss_front

package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/pkg/build/replay"
)

// newBuildGroup is a group of commands that has build too; its others are the full program's.
func newBuildGroup(app *App, name string) *cobra.Command {
	cmd := &cobra.Command{Use: name, Args: cobra.ArbitraryArgs}
	build := newBuildCommand(app)
	build.Aliases = []string{"b"}
	cmd.AddCommand(build)
	return cmd
}

// newBuildCommand answers a build of which nothing has changed. The full program, which knows the flags, does all others.
func newBuildCommand(app *App) *cobra.Command {
	return &cobra.Command{
		Use: "build", DisableFlagParsing: true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil }, // an answer needs no namespace
		RunE: func(*cobra.Command, []string) error {
			cfg, err := app.Config()
			if err != nil {
				return app.handOver()
			}
			a := (&replay.Book{Config: cfg, Args: os.Args[1:], Terminal: terminalOf(app.Err)}).Find()
			if a == nil {
				return app.handOver()
			}
			if _, err := app.Err.Write(a.Shown); err != nil {
				return err
			}
			if err := writeIDFile(a.IDFile, "sha256:"+a.ID); err != nil {
				return err
			}
			_, err = fmt.Fprintln(app.Out, a.ID)
			return err
		},
	}
}
