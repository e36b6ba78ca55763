//go:build !moss_front

package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

func newContainerCommand(app *App) *cobra.Command {
	cmd := group(
		"container", "Work with containers",
		newAttachCommand(app), newCommitCommand(app), newCreateCommand(app), newExecCommand(app), newKillCommand(app),
		newLogsCommand(app), newPortCommand(app), newPsCommand(app), newRenameCommand(app), newRestartCommand(app),
		newRmCommand(app), newRunCommand(app), newStartCommand(app), newStopCommand(app), newWaitCommand(app),
	)
	cmd.AddCommand(newContainerInspectCommand(app), newContainerDiffCommand(app), newContainerPruneCommand(app), existsCommand(app, "CONTAINER", func(e *libpod.Engine, ref string) error {
		_, err := e.Lookup(ref)
		return err
	}))
	return cmd
}

// existsCommand says by its exit code alone whether something exists: 0 yes, 1 no.
func existsCommand(app *App, what string, find func(e *libpod.Engine, ref string) error) *cobra.Command {
	return &cobra.Command{
		Use: "exists " + what, Short: "Whether it exists, as the exit code", Args: exactArgs(1, "one name"),
		RunE: func(_ *cobra.Command, args []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			err = find(engine, args[0])
			if errors.Is(err, errdefs.ErrNotFound) {
				return &errdefs.ExitError{Code: 1}
			}
			return err
		},
	}
}
