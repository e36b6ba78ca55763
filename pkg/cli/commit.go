//go:build !moss_front

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
)

func newCommitCommand(app *App) *cobra.Command {
	var o libpod.CommitOptions
	var pause, quiet bool
	var idFile string
	cmd := &cobra.Command{
		Use: "commit [flags] CONTAINER [IMAGE]", Short: "Make an image of a container's changes",
		Args:              rangeArgs(1, 2, "a container, and may have the name of the new image"),
		ValidArgsFunction: app.completeContainers(every),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			if len(args) == 2 {
				o.Name = args[1]
			}
			id, err := engine.Commit(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			if err := writeIDFile(idFile, id); err != nil {
				return err
			}
			_, err = fmt.Fprintln(app.Out, id)
			return err
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&o.Author, "author", "a", "", "who made it")
	fs.StringVarP(&o.Message, "message", "m", "", "comment for the image's history")
	fs.StringArrayVarP(&o.Changes, "change", "c", nil, "Dockerfile instruction to apply: CMD, ENTRYPOINT, ENV, …")
	fs.StringVar(&idFile, "iidfile", "", "write the image's id to this file")
	fs.BoolVarP(&quiet, "quiet", "q", false, "no progress: there is none")
	fs.BoolVarP(&pause, "pause", "p", false, "accepted for compatibility: a running container is not paused")
	return cmd
}
