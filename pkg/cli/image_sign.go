//go:build !moss_front

package cli

import (
	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/storage/image"
)

func newImageSignCommand(app *App) *cobra.Command {
	var o image.SignOptions
	var registry transferOptions
	cmd := &cobra.Command{
		Use: "sign [flags] IMAGE...", Short: "Sign images that a registry has, with a key of gpg",
		Args: minArgs(1, "an image of a registry"), ValidArgsFunction: app.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := registry.complete(app, cmd.Flags()); err != nil {
				return err
			}
			o.Registry = registry.Registry
			return app.withImages(cmd.Context(), func(images *image.Images) error {
				return app.each(args, func(name string) (string, error) { return "", images.Sign(cmd.Context(), name, o) })
			})
		},
	}
	fs := cmd.Flags()
	registry.addRegistryFlags(fs)
	fs.StringVar(&o.Key, "sign-by", "", "key of gpg: a fingerprint or an address")
	fs.StringVar(&o.PassphraseFile, "sign-passphrase-file", "", "file with the passphrase of the key")
	fs.StringVarP(&o.Directory, "directory", "d", "", "directory for the signatures (default: where registries.d says)")
	fs.BoolVarP(&o.All, "all", "a", false, "also every image of a manifest list")
	return cmd
}
