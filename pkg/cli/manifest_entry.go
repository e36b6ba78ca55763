//go:build !moss_front

package cli

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/image"
)

// entryFlags describe one image of a list.
type entryFlags struct {
	image.Entry
	annotations []string
}

func (o *entryFlags) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.OS, "os", "", "operating system of the image")
	fs.StringVar(&o.Arch, "arch", "", "architecture of the image")
	fs.StringVar(&o.Variant, "variant", "", "variant of the architecture")
	fs.StringVar(&o.OSVersion, "os-version", "", "version of the operating system")
	fs.StringSliceVar(&o.Features, "features", nil, "features that the image requires")
	fs.StringArrayVar(&o.annotations, "annotation", nil, "annotation of the image, KEY=VALUE")
}

func (o *entryFlags) complete() (err error) {
	o.Annotations, err = pairs("annotation", o.annotations)
	return err
}

type manifestAddOptions struct {
	transferOptions
	entryFlags
	image.Artifact
	all, artifact bool
}

func newManifestAddCommand(app *App) *cobra.Command {
	var o manifestAddOptions
	cmd := &cobra.Command{
		Use: "add [flags] LIST IMAGE|FILE...", Short: "Add an image, or files as an artifact, to a manifest list",
		Args: minArgs(2, "a list and what to add to it"), ValidArgsFunction: app.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(o.transferOptions.complete(app, cmd.Flags()), o.entryFlags.complete(), o.check(cmd.Flags())); err != nil {
				return err
			}
			return app.printed(cmd, func(images *image.Images) (string, error) { return o.add(cmd, images, args[0], args[1:]) })
		},
	}
	fs := cmd.Flags()
	o.addRegistryFlags(fs)
	fs.StringVar(&o.Creds, "creds", "", "credentials for this registry, USER:PASSWORD")
	o.entryFlags.addFlags(fs)
	fs.BoolVar(&o.all, "all", false, "of an image that is a list, add all images")
	fs.BoolVar(&o.artifact, "artifact", false, "add files, as one artifact")
	fs.StringVar(&o.Type, "artifact-type", "", "type of the artifact")
	fs.StringVar(&o.Config, "artifact-config", "", "configuration of the artifact: JSON, or a file")
	fs.StringVar(&o.ConfigType, "artifact-config-type", "", "media type of its configuration")
	fs.StringVar(&o.LayerType, "artifact-layer-type", "", "media type of its files")
	fs.BoolVar(&o.ExcludeTitles, "artifact-exclude-titles", false, "leave the files' names out")
	fs.StringVar(&o.Subject, "artifact-subject", "", "image that the artifact is about")
	return cmd
}

// check refuses flags of artifacts without --artifact.
func (o *manifestAddOptions) check(fs *pflag.FlagSet) error {
	for _, flag := range []string{"artifact-type", "artifact-config", "artifact-config-type", "artifact-layer-type", "artifact-exclude-titles", "artifact-subject"} {
		if fs.Changed(flag) && !o.artifact {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --%s without --artifact", flag)
		}
	}
	return nil
}

func (o *manifestAddOptions) add(cmd *cobra.Command, images *image.Images, list string, what []string) (id string, err error) {
	add := image.AddOptions{Registry: o.Registry, Entry: o.Entry, All: o.all}
	if o.artifact {
		return images.AddArtifactToList(cmd.Context(), list, what, o.Artifact, add)
	}
	for _, name := range what {
		if id, err = images.AddToList(cmd.Context(), list, name, add); err != nil {
			return "", err
		}
	}
	return id, nil
}

func newManifestAnnotateCommand(app *App) *cobra.Command {
	var o image.AnnotateOptions
	var flags entryFlags
	cmd := &cobra.Command{
		Use: "annotate [flags] LIST [IMAGE]", Short: "Change what a manifest list says of itself or of one of its images",
		Args: rangeArgs(1, 2, "a list, and one of its images unless --index or --subject is given"), ValidArgsFunction: app.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.complete(); err != nil {
				return err
			}
			if len(args) == 1 && !o.Index && o.Subject == "" {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot annotate: say which image of the list, or --index for the list itself")
			}
			o.Platform, o.OSVersion, o.Features, o.Annotations = flags.Platform, flags.OSVersion, flags.Features, flags.Annotations
			return app.printed(cmd, func(images *image.Images) (string, error) {
				return images.AnnotateList(cmd.Context(), args[0], append(args, "")[1], o)
			})
		},
	}
	fs := cmd.Flags()
	flags.addFlags(fs)
	fs.StringSliceVar(&o.OSFeatures, "os-features", nil, "features of the operating system that the image requires")
	fs.BoolVar(&o.Index, "index", false, "annotate the list itself")
	fs.StringVar(&o.Subject, "subject", "", "image that the list is about")
	return cmd
}

// printManifest prints a manifest as it is, indented; verbose puts its name and digest around it, as Docker does.
func printManifest(app *App, name string, raw []byte, verbose bool) error {
	var out bytes.Buffer
	if !verbose {
		if err := json.Indent(&out, raw, "", "    "); err != nil {
			return errdefs.Errorf(errdefs.ErrDamaged, "cannot print manifest %s: %w", name, err)
		}
		out.WriteByte('\n')
		_, err := app.Out.Write(out.Bytes())
		return err
	}
	encoder := json.NewEncoder(app.Out)
	encoder.SetIndent("", "    ")
	return encoder.Encode(struct {
		Ref      string
		Digest   digest.Digest
		Manifest json.RawMessage
	}{name, digest.FromBytes(raw), raw})
}
