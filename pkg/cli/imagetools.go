//go:build !moss_front

package cli

import (
	"encoding/json"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/image"
)

// newImagetoolsCommand works on what registries have, without the store.
func newImagetoolsCommand(app *App) *cobra.Command {
	return group("imagetools", "Work with images in registries, without pulling them", newImagetoolsCreateCommand(app), newImagetoolsInspectCommand(app))
}

type imagetoolsCreateOptions struct {
	transferOptions
	image.CombineOptions
	annotations, files, platforms []string
	add, preferIndex              bool
	metadata, progress            string
}

func newImagetoolsCreateCommand(app *App) *cobra.Command {
	var o imagetoolsCreateOptions
	cmd := &cobra.Command{
		Use: "create [flags] [SOURCE...]", Short: "Make one index of images in registries, in a registry",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(app, cmd); err != nil {
				return err
			}
			sources, err := o.sources(args)
			if err != nil {
				return err
			}
			return app.withImages(cmd.Context(), func(images *image.Images) error {
				raw, mime, err := images.Combine(cmd.Context(), sources, o.CombineOptions)
				if err != nil {
					return err
				}
				return o.tell(app, raw, mime)
			})
		},
	}
	fs := cmd.Flags()
	o.transferOptions.addFlags(fs)
	fs.StringArrayVarP(&o.To, "tag", "t", nil, "name of what is made")
	fs.StringArrayVarP(&o.files, "file", "f", nil, "read a source from this `file`: a name, a digest, or a descriptor in JSON")
	fs.StringArrayVarP(&o.platforms, "platform", "p", nil, "only what is for this `platform`")
	fs.StringArrayVar(&o.annotations, "annotation", nil, "annotation, index:KEY=VALUE, or manifest-descriptor[PLATFORM]:KEY=VALUE of what is listed")
	fs.BoolVar(&o.add, "append", false, "add to what the first --tag names")
	fs.BoolVar(&o.DryRun, "dry-run", false, "only print what would be written")
	fs.BoolVar(&o.preferIndex, "prefer-index", true, "make an index of a single image, too; otherwise copy it as it is")
	fs.StringVar(&o.metadata, "metadata-file", "", "write what was made to this file, as JSON")
	fs.StringVar(&o.progress, "progress", "auto", "accepted for compatibility: --quiet shows none")
	addBuilderFlags(fs)
	return cmd
}

func (o *imagetoolsCreateOptions) complete(app *App, cmd *cobra.Command) error {
	if err := o.transferOptions.complete(app, cmd.Flags()); err != nil {
		return err
	}
	o.CombineOptions.Copying, o.Alone = o.transferOptions.Copying, !o.preferIndex
	if len(o.To) == 0 && (!o.DryRun || o.add) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot make an index: say where with --tag, or only look at it with --dry-run")
	}
	o.Annotations, o.Entries = map[string]string{}, map[string]map[string]string{}
	for _, text := range o.annotations {
		if err := o.annotation(text); err != nil {
			return err
		}
	}
	for _, list := range o.platforms {
		for name := range strings.SplitSeq(list, ",") {
			platform, err := platformName(name)
			if err != nil {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --platform %s: %w", name, err)
			}
			o.Platforms = append(o.Platforms, platform)
		}
	}
	return nil
}

// annotation reads one of --annotation.
func (o *imagetoolsCreateOptions) annotation(text string) error {
	key, value, ok := strings.Cut(text, "=")
	kind, key, typed := strings.Cut(key, ":")
	if !ok || key == "" || !typed || !slices.Contains([]string{"index", "manifest-descriptor"}, strings.SplitN(kind, "[", 2)[0]) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --annotation %q: manifests stay as they are; write index:KEY=VALUE or manifest-descriptor[PLATFORM]:KEY=VALUE", text)
	}
	if kind == "index" {
		o.Annotations[key] = value
		return nil
	}
	_, platform, one := strings.Cut(strings.TrimSuffix(kind, "]"), "[")
	if one {
		var err error
		if platform, err = platformName(platform); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --annotation %s: %w", text, err)
		}
	}
	if o.Entries[platform] == nil {
		o.Entries[platform] = map[string]string{}
	}
	o.Entries[platform][key] = value
	return nil
}

// sources are the names of what goes into the index.
func (o *imagetoolsCreateOptions) sources(args []string) (names []string, err error) {
	if o.add {
		names = append(names, o.To[0])
	}
	for _, file := range o.files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --file: %w", err)
		}
		args = append(args[:len(args):len(args)], strings.TrimSpace(string(text)))
	}
	for _, text := range args {
		name, err := o.source(text)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		err = errdefs.Errorf(errdefs.ErrInvalid, "cannot make an index of nothing: name images in registries")
	}
	return names, err
}

// source is a name, or a digest of what is where the index goes to: by itself, or in a descriptor.
func (o *imagetoolsCreateOptions) source(text string) (string, error) {
	if strings.HasPrefix(text, "{") {
		var d v1.Descriptor
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot read the descriptor %s: %w", text, err)
		}
		text = d.Digest.String()
	}
	if _, err := digest.Parse(text); err != nil {
		return text, nil
	}
	if len(o.To) == 0 {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot find %s: say with --tag in which repository it is", text)
	}
	return repositoryIn(o.To[0]) + "@" + text, nil
}

// repositoryIn is a name without its tag or digest.
func repositoryIn(name string) string {
	name, _, _ = strings.Cut(name, "@")
	if at := strings.LastIndex(name, ":"); at > strings.LastIndex(name, "/") {
		name = name[:at]
	}
	return name
}

// tell prints a dry run, and writes --metadata-file.
func (o *imagetoolsCreateOptions) tell(app *App, raw []byte, mime string) error {
	if o.DryRun {
		return printManifest(app, "", raw, false)
	}
	if o.metadata == "" {
		return nil
	}
	data, err := json.MarshalIndent(map[string]any{
		"containerimage.descriptor": v1.Descriptor{MediaType: mime, Digest: digest.FromBytes(raw), Size: int64(len(raw))},
		"image.name":                strings.Join(o.To, ","),
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.metadata, append(data, '\n'), 0o644); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot write --metadata-file: %w", err)
	}
	return nil
}
