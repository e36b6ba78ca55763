//go:build !moss_front

package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/storage/image"
)

type manifestPushOptions struct {
	transferOptions
	image.PushListOptions
	sealFlags
	compressionFlags
	all, rm, insecure bool
}

func newManifestPushCommand(app *App) *cobra.Command {
	var o manifestPushOptions
	cmd := &cobra.Command{
		Use: "push [flags] LIST [DESTINATION]", Short: "Copy a manifest list and its images to a registry",
		Args: rangeArgs(1, 2, "a list, and may have a destination"), ValidArgsFunction: app.completeImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(app, cmd.Flags()); err != nil {
				return err
			}
			return app.withImages(cmd.Context(), func(images *image.Images) error {
				d, err := images.PushList(cmd.Context(), args[0], append(args, "")[1], o.PushListOptions)
				if err != nil {
					return err
				}
				if o.rm {
					if _, err := images.RemoveList(args[0]); err != nil {
						return err
					}
				}
				_, err = fmt.Fprintln(app.Out, d)
				return err
			})
		},
	}
	fs := cmd.Flags()
	o.transferOptions.addFlags(fs)
	o.addPushFlags(fs)
	return cmd
}

func (o *manifestPushOptions) addPushFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.all, "all", true, "also all images that it lists; otherwise this platform's alone")
	fs.BoolVar(&o.rm, "rm", false, "remove the local list when it was pushed")
	fs.BoolVarP(&o.rm, "purge", "p", false, "the same as --rm")
	fs.BoolVar(&o.insecure, "insecure", false, "do not require HTTPS, as --tls-verify=false")
	fs.StringVarP(&o.Format, "format", "f", "", "format of the manifests: oci or v2s2 (default: their own)")
	fs.StringSliceVar(&o.AddCompression, "add-compression", nil, "add a variant of each image with this compression")
	o.compressionFlags.addFlags(fs, &o.PushOptions)
	fs.StringVar(&o.DigestFile, "digestfile", "", "write the digest of what was pushed into a file")
	fs.BoolVar(&o.RemoveSignatures, "remove-signatures", false, "leave signatures behind")
	o.addSigningFlags(fs, &o.Sealing)
}

func (o *manifestPushOptions) complete(app *App, fs *pflag.FlagSet) error {
	if err := o.transferOptions.complete(app, fs); err != nil {
		return err
	}
	if o.insecure {
		no := false
		o.TLSVerify = &no
	}
	o.PushOptions.Copying, o.Alone = o.transferOptions.Copying, !o.all
	if err := o.compressionFlags.complete(app, fs, &o.PushOptions); err != nil {
		return err
	}
	if err := o.sealFlags.complete(app, &o.Sealing); err != nil {
		return err
	}
	return canWrite(resultFile{"digestfile", o.DigestFile})
}
