//go:build !moss_front

package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"go.podman.io/image/v5/manifest"

	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/term"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/image"
)

func newArtifactCommand(app *App) *cobra.Command {
	return group("artifact", "Work with artifacts: files that registries keep",
		newArtifactAddCommand(app), newArtifactExtractCommand(app), newArtifactInspectCommand(app), newArtifactLsCommand(app),
		newArtifactPullCommand(app), newArtifactPushCommand(app), newArtifactRmCommand(app))
}

func (a *App) withArtifacts(ctx context.Context, do func(*image.Artifacts) error) error {
	return a.withImages(ctx, func(images *image.Images) error {
		artifacts, err := images.Artifacts()
		if err != nil {
			return err
		}
		return do(artifacts)
	})
}

func newArtifactAddCommand(app *App) *cobra.Command {
	var o image.ArtifactOptions
	var annotations []string
	cmd := &cobra.Command{
		Use: "add [flags] NAME FILE...", Short: "Make an artifact of files", Args: minArgs(2, "a name and a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Annotations = map[string]string{}
			for _, pair := range annotations {
				key, value, ok := strings.Cut(pair, "=")
				if !ok || key == "" {
					return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --annotation %q: write KEY=VALUE", pair)
				}
				o.Annotations[key] = value
			}
			if o.Append && (o.Replace || o.Type != "") {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --append together with --replace or --type: the artifact stays what it is")
			}
			return app.withArtifacts(cmd.Context(), func(artifacts *image.Artifacts) error {
				return app.each(args[:1], func(name string) (string, error) {
					d, err := artifacts.Add(cmd.Context(), name, args[1:], o)
					return encoded(d), err
				})
			})
		},
	}
	fs := cmd.Flags()
	fs.StringArrayVar(&annotations, "annotation", nil, "annotation of the files, KEY=VALUE")
	fs.BoolVarP(&o.Append, "append", "a", false, "add to the artifact of this name")
	fs.BoolVar(&o.Replace, "replace", false, "take the place of the artifact of this name")
	fs.StringVar(&o.Type, "type", "", "media type of the artifact")
	fs.StringVar(&o.FileType, "file-type", "", "media type of the files (default: what they look like)")
	return cmd
}

// encoded is a digest without its algorithm, and nothing for none.
func encoded(d digest.Digest) string {
	if d == "" {
		return ""
	}
	return d.Encoded()
}

func newArtifactExtractCommand(app *App) *cobra.Command {
	var part image.Part
	cmd := &cobra.Command{
		Use: "extract [flags] NAME PATH", Short: "Copy the files of an artifact", Args: exactArgs(2, "an artifact and where to put its files"),
		ValidArgsFunction: app.completeArtifacts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if part.Title != "" && part.Digest != "" {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --title together with --digest: choose one")
			}
			return app.withArtifacts(cmd.Context(), func(artifacts *image.Artifacts) error {
				return artifacts.Extract(cmd.Context(), args[0], args[1], part)
			})
		},
	}
	cmd.Flags().StringVar(&part.Title, "title", "", "only the file with this title")
	cmd.Flags().StringVar(&part.Digest, "digest", "", "only the file with this digest")
	return cmd
}

// inspectedArtifact has podman's names, of which Artifact is for templates.
type inspectedArtifact struct {
	Artifact
	Digest digest.Digest
}

// Artifact is what an artifact says of itself.
type Artifact struct {
	Manifest *manifest.OCI1
	Name     string
	size     int64
}

// TotalSizeBytes is for templates.
func (a Artifact) TotalSizeBytes() int64 { return a.size }

func newArtifactInspectCommand(app *App) *cobra.Command {
	var text string
	cmd := &cobra.Command{
		Use: "inspect [flags] NAME", Short: "Print all that is known of an artifact", Args: exactArgs(1, "an artifact"),
		ValidArgsFunction: app.completeArtifacts,
		RunE: func(cmd *cobra.Command, args []string) error {
			return app.withArtifacts(cmd.Context(), func(artifacts *image.Artifacts) error {
				found, err := artifacts.Inspect(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return format.One(app.Out, inspectedArtifact{Artifact{found.Manifest, found.Name, found.Size}, found.Digest}, text)
			})
		},
	}
	cmd.Flags().StringVarP(&text, "format", "f", "json", "print a Go template, or json")
	return cmd
}

func newArtifactLsCommand(app *App) *cobra.Command {
	var o format.Options
	cmd := &cobra.Command{
		Use: "ls [flags]", Aliases: []string{"list"}, Short: "List artifacts", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return app.withArtifacts(cmd.Context(), func(artifacts *image.Artifacts) error {
				list, err := artifacts.List(cmd.Context())
				if err != nil {
					return err
				}
				return artifactTable().Print(app.Out, list, o)
			})
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func artifactTable() *format.Table[image.StoredArtifact] {
	type row = image.StoredArtifact
	now := time.Now()
	return &format.Table[row]{
		Columns: []format.Column[row]{
			{Name: "Repository", Value: func(r row) any { return storage.Repository(r.Name) }},
			{Name: "Tag", Value: func(r row) any { return strings.TrimPrefix(r.Name, storage.Repository(r.Name)+":") }},
			{Name: "Digest", Value: func(r row) any { return encoded(r.Digest) }, Short: func(d string) string { return d[:min(len(d), 12)] }},
			{Name: "Created", Value: func(r row) any { return since(r.Created, now) }},
			{Name: "CreatedAt", Header: "CREATED AT", Value: func(r row) any { return r.Created.String() }},
			{Name: "Size", Value: func(r row) any { return term.Size(r.Size) }},
			{Name: "VirtualSize", Header: "VIRTUAL SIZE", Value: func(r row) any { return r.Size }},
		},
		Default: []string{"Repository", "Tag", "Digest", "Created", "Size"},
		Quiet:   "Digest",
	}
}

// since is nothing for an artifact that does not say when it was made.
func since(created, now time.Time) string {
	if created.IsZero() {
		return ""
	}
	return term.Ago(created, now)
}

func newArtifactRmCommand(app *App) *cobra.Command {
	var all, ignore bool
	cmd := &cobra.Command{
		Use: "rm [flags] NAME...", Aliases: []string{"remove"}, Short: "Remove artifacts", ValidArgsFunction: app.completeArtifacts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return errdefs.Errorf(errdefs.ErrInvalid, "which artifact? Give its name, or --all alone")
			}
			return app.withArtifacts(cmd.Context(), func(artifacts *image.Artifacts) error {
				if all {
					list, err := artifacts.List(cmd.Context())
					if err != nil {
						return err
					}
					for _, a := range list {
						args = append(args, encoded(a.Digest)) // not all have names
					}
				}
				return app.each(args, func(name string) (string, error) {
					d, err := artifacts.Remove(cmd.Context(), name)
					if ignore && errors.Is(err, errdefs.ErrNotFound) {
						err = nil
					}
					return encoded(d), err
				})
			})
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all artifacts")
	cmd.Flags().BoolVarP(&ignore, "ignore", "i", false, "an artifact that is not there is fine")
	return cmd
}

// completeArtifacts offers the names of artifacts.
func (a *App) completeArtifacts(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	var names []string
	err := a.withArtifacts(cmd.Context(), func(artifacts *image.Artifacts) error {
		list, err := artifacts.List(cmd.Context())
		for _, one := range list {
			names = append(names, one.Name)
		}
		return err
	})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return beginning(names, begun), cobra.ShellCompDirectiveNoFileComp
}
