//go:build !moss_front

package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

func newCommitCommand(app *App) *cobra.Command {
	var o libpod.CommitOptions
	var pause, quiet bool
	var idFile, imageFormat, config string
	cmd := &cobra.Command{
		Use: "commit [flags] CONTAINER [IMAGE]", Short: "Make an image of a container's changes",
		Args:              rangeArgs(1, 2, "a container, and may have the name of the new image"),
		ValidArgsFunction: app.completeContainers(every),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := refuse(cmd.Flags(), refusedCommitFlags()); err != nil {
				return err
			}
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			if len(args) == 2 {
				o.Name = args[1]
			}
			if o.Docker, err = isDockerFormat(imageFormat); err != nil {
				return err
			}
			if config != "" {
				if o.Merge, err = os.ReadFile(config); err != nil {
					return errdefs.Errorf(errdefs.ErrNotFound, "cannot use --config: %w", err)
				}
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
	fs.StringVarP(&imageFormat, "format", "f", "oci", "format of the image: oci or docker")
	fs.StringVar(&config, "config", "", "take over what this `file` has of a configuration: JSON, as image inspect shows it in Config")
	fs.BoolVarP(&o.Squash, "squash", "s", false, "make one layer of all, also of the image's")
	addRefusedFlags(fs, refusedCommitFlags())
	fs.StringVar(&idFile, "iidfile", "", "write the image's id to this file")
	fs.BoolVarP(&quiet, "quiet", "q", false, "no progress: there is none")
	fs.BoolVarP(&pause, "pause", "p", false, "accepted for compatibility: a running container is not paused")
	return cmd
}

// refusedCommitFlags are those of Podman's commit that are not carried out.
func refusedCommitFlags() []refusedFlag {
	return []refusedFlag{
		{"include-volumes", true, "what is in a volume is not the container's; copy it to where no volume is, and commit that"},
	}
}
