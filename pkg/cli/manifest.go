//go:build !moss_front

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/image"
)

// newManifestCommand works with manifest lists: one name for the images of several platforms.
func newManifestCommand(app *App) *cobra.Command {
	return group("manifest", "Work with manifest lists: one name for the images of several platforms",
		newManifestCreateCommand(app), newManifestAddCommand(app), newManifestAnnotateCommand(app),
		newManifestInspectCommand(app), newManifestExistsCommand(app), newManifestPushCommand(app),
		newManifestRemoveCommand(app), newManifestRmCommand(app))
}

// registryFlags are the flags of commands that only read from registries.
type registryFlags struct {
	image.Registry
	tlsVerify, insecure bool
}

func (o *registryFlags) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.AuthFile, "authfile", "", "file with credentials instead of the usual auth.json")
	o.addVerifyFlags(fs)
}

func (o *registryFlags) addVerifyFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.tlsVerify, "tls-verify", true, "require HTTPS with a valid certificate; registries.conf decides where this is not given")
	fs.BoolVar(&o.insecure, "insecure", false, "do not require HTTPS, as --tls-verify=false")
}

func (o *registryFlags) complete(fs *pflag.FlagSet) {
	if o.insecure {
		o.tlsVerify = false
	}
	if o.insecure || fs.Changed("tls-verify") {
		o.TLSVerify = &o.tlsVerify
	}
}

// pairs reads --annotation KEY=VALUE.
func pairs(flag string, list []string) (map[string]string, error) {
	all := map[string]string{}
	for _, pair := range list {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --%s %q: write it as KEY=VALUE", flag, pair)
		}
		all[key] = value
	}
	return all, nil
}

// printed prints the id that a change of a list returns.
func (a *App) printed(cmd *cobra.Command, do func(*image.Images) (string, error)) error {
	return a.withImages(cmd.Context(), func(images *image.Images) error {
		id, err := do(images)
		if err == nil {
			_, err = fmt.Fprintln(a.Out, id)
		}
		return err
	})
}

type manifestCreateOptions struct {
	registryFlags
	image.CreateListOptions
	annotations []string
}

func newManifestCreateCommand(app *App) *cobra.Command {
	var o manifestCreateOptions
	cmd := &cobra.Command{
		Use: "create [flags] LIST [IMAGE...]", Short: "Make a manifest list, of images or empty",
		Args: minArgs(1, "the name of the list"), ValidArgsFunction: app.completeImages,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.complete(cmd.Flags())
			o.CreateListOptions.Registry = o.registryFlags.Registry
			if o.Annotations, err = pairs("annotation", o.annotations); err != nil {
				return err
			}
			return app.printed(cmd, func(images *image.Images) (string, error) {
				return images.CreateList(cmd.Context(), args[0], args[1:], o.CreateListOptions)
			})
		},
	}
	fs := cmd.Flags()
	o.addVerifyFlags(fs)
	fs.BoolVar(&o.All, "all", false, "of an image that is a list, add all images")
	fs.BoolVarP(&o.Amend, "amend", "a", false, "add to the list if there is one of this name")
	fs.StringArrayVar(&o.annotations, "annotation", nil, "annotation of the list, KEY=VALUE")
	return cmd
}

func newManifestInspectCommand(app *App) *cobra.Command {
	var o registryFlags
	var verbose bool
	cmd := &cobra.Command{
		Use: "inspect [flags] [LIST] NAME", Short: "Print a manifest list, or a manifest, of this machine or a registry",
		Args: rangeArgs(1, 2, "the name of a list, and may have that of one of its images"), ValidArgsFunction: app.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.complete(cmd.Flags())
			return app.withImages(cmd.Context(), func(images *image.Images) error {
				raw, err := images.InspectList(cmd.Context(), args[len(args)-1], o.Registry)
				if err != nil {
					return err
				}
				return printManifest(app, args[len(args)-1], raw, verbose)
			})
		},
	}
	fs := cmd.Flags()
	o.addFlags(fs)
	fs.BoolVarP(&verbose, "verbose", "v", false, "also the name and the digest, as docker has it")
	return cmd
}

func newManifestExistsCommand(app *App) *cobra.Command {
	return &cobra.Command{
		Use: "exists LIST", Short: "Whether a manifest list exists, as the exit code", Args: exactArgs(1, "one name"),
		ValidArgsFunction: app.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			return app.withImages(cmd.Context(), func(images *image.Images) error {
				found, err := images.ListExists(args[0])
				if err == nil && !found {
					err = &errdefs.ExitError{Code: 1}
				}
				return err
			})
		},
	}
}

func newManifestRemoveCommand(app *App) *cobra.Command {
	return &cobra.Command{
		Use: "remove LIST IMAGE", Short: "Take an image, by its digest or name, from a manifest list",
		Args: exactArgs(2, "a list and one of its images"), ValidArgsFunction: app.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			return app.printed(cmd, func(images *image.Images) (string, error) {
				return images.RemoveFromList(cmd.Context(), args[0], args[1])
			})
		},
	}
}

func newManifestRmCommand(app *App) *cobra.Command {
	var ignore bool
	cmd := &cobra.Command{
		Use: "rm [flags] LIST...", Short: "Remove manifest lists, not the images they list",
		Args: minArgs(1, "the name of a list"), ValidArgsFunction: app.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			return app.withImages(cmd.Context(), func(images *image.Images) error {
				return app.each(args, func(name string) (string, error) {
					id, err := images.RemoveList(name)
					if ignore && errors.Is(err, errdefs.ErrNotFound) {
						return "", nil
					}
					return id, err
				})
			})
		},
	}
	cmd.Flags().BoolVarP(&ignore, "ignore", "i", false, "a list that is not there is no error")
	return cmd
}
