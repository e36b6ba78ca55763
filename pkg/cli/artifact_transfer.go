//go:build !moss_front

package cli

import (
	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/storage/image"
)

func newArtifactPullCommand(app *App) *cobra.Command {
	var o transferOptions
	var keys []string
	cmd := &cobra.Command{
		Use: "pull [flags] NAME", Short: "Copy an artifact from a registry", Args: exactArgs(1, "the name of an artifact"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(app, cmd.Flags()); err != nil {
				return err
			}
			return app.withArtifacts(cmd.Context(), func(artifacts *image.Artifacts) error {
				return app.each(args, func(name string) (string, error) {
					d, err := artifacts.Pull(cmd.Context(), name, image.PullOptions{Copying: o.Copying, DecryptionKeys: keys})
					return encoded(d), err
				})
			})
		},
	}
	o.addFlags(cmd.Flags())
	cmd.Flags().StringArrayVar(&keys, "decryption-key", nil, "key for encrypted files, FILE[:PASSWORD]")
	return cmd
}

func newArtifactPushCommand(app *App) *cobra.Command {
	var o transferOptions
	var push image.PushOptions
	var seal sealFlags
	cmd := &cobra.Command{
		Use: "push [flags] NAME [DESTINATION]", Short: "Copy an artifact to a registry", Args: rangeArgs(1, 2, "an artifact"),
		ValidArgsFunction: app.completeArtifacts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(app, cmd.Flags()); err != nil {
				return err
			}
			if err := seal.complete(app, &push.Sealing); err != nil {
				return err
			}
			if err := canWrite(resultFile{"digestfile", push.DigestFile}); err != nil {
				return err
			}
			push.Copying = o.Copying
			return app.withArtifacts(cmd.Context(), func(artifacts *image.Artifacts) error {
				d, err := artifacts.Push(cmd.Context(), args[0], append(args, "")[1], push)
				if err != nil {
					return err
				}
				_, err = app.Out.WriteString(encoded(d) + "\n")
				return err
			})
		},
	}
	o.addFlags(cmd.Flags())
	seal.addSigningFlags(cmd.Flags(), &push.Sealing)
	cmd.Flags().StringVar(&push.DigestFile, "digestfile", "", "write the digest of what was pushed into a file")
	return cmd
}
