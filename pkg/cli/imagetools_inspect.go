//go:build !moss_front

package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/term"
	"github.com/mosscontainers/moss/storage/image"
)

// remoteImage is what imagetools inspect shows, by the names that buildx has.
type remoteImage struct {
	Name     string         `json:"name"`
	Manifest remoteManifest `json:"manifest"`
	// Image is the configuration of an image, or those of an index by platform.
	Image any `json:"image,omitempty"`
}

type remoteManifest struct {
	SchemaVersion int               `json:"schemaVersion,omitempty"`
	MediaType     string            `json:"mediaType"`
	Digest        digest.Digest     `json:"digest"`
	Size          int64             `json:"size"`
	Manifests     []v1.Descriptor   `json:"manifests,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

func newImagetoolsInspectCommand(app *App) *cobra.Command {
	var o registryFlags
	var raw bool
	var template string
	cmd := &cobra.Command{
		Use: "inspect [flags] NAME", Short: "Print what a registry has under a name", Args: exactArgs(1, "a name in a registry"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.complete(cmd.Flags())
			return app.withImages(cmd.Context(), func(images *image.Images) error {
				data, mime, err := images.RegistryManifest(cmd.Context(), args[0], o.Registry)
				if err != nil {
					return err
				}
				if raw {
					_, err = app.Out.Write(data)
					return err
				}
				r, err := describeRemote(args[0], mime, data)
				if err != nil {
					return err
				}
				if template == "" {
					_, err = app.Out.Write(r.text())
					return err
				}
				if strings.Contains(template, ".Image") || strings.Contains(template, "json .}") || template == "json" {
					if err := r.readImages(cmd.Context(), images, o.Registry); err != nil {
						return err
					}
				}
				return format.One(app.Out, r, template)
			})
		},
	}
	fs := cmd.Flags()
	o.addFlags(fs)
	fs.BoolVar(&raw, "raw", false, "print the manifest as the registry has it")
	fs.StringVar(&template, "format", "", `print "json", or what a Go template makes of .Name, .Manifest and .Image`)
	addBuilderFlags(fs)
	return cmd
}

func describeRemote(name, mime string, data []byte) (*remoteImage, error) {
	r := &remoteImage{Name: name}
	if err := json.Unmarshal(data, &r.Manifest); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot read the manifest of %s: %w", name, err)
	}
	r.Manifest.MediaType, r.Manifest.Digest, r.Manifest.Size = cmp.Or(mime, r.Manifest.MediaType), digest.FromBytes(data), int64(len(data))
	return r, nil
}

// text is what is printed without a template.
func (r *remoteImage) text() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "Name:      %s\nMediaType: %s\nDigest:    %s\n", r.Name, term.Printable(r.Manifest.MediaType), r.Manifest.Digest)
	if len(r.Manifest.Manifests) == 0 {
		return out.Bytes()
	}
	out.WriteString("\nManifests:\n")
	for i, d := range r.Manifest.Manifests {
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(&out, "  Name:      %s@%s\n  MediaType: %s\n", repositoryIn(r.Name), term.Printable(string(d.Digest)), term.Printable(d.MediaType))
		if d.Platform != nil {
			fmt.Fprintf(&out, "  Platform:  %s\n", term.Printable(platforms.Format(*d.Platform)))
		}
		for n, key := range slices.Sorted(maps.Keys(d.Annotations)) {
			if n == 0 {
				out.WriteString("  Annotations:\n")
			}
			fmt.Fprintf(&out, "    %s: %s\n", term.Printable(key), term.Printable(d.Annotations[key]))
		}
	}
	return out.Bytes()
}

// readImages reads the configurations. What is listed for no platform is no image.
func (r *remoteImage) readImages(ctx context.Context, images *image.Images, from image.Registry) error {
	if r.Manifest.Manifests == nil {
		config, err := configIn(ctx, images, r.Name, from)
		r.Image = config
		return err
	}
	all := map[string]json.RawMessage{}
	for _, d := range r.Manifest.Manifests {
		if d.Platform == nil || d.Platform.OS == "unknown" {
			continue
		}
		config, err := configIn(ctx, images, repositoryIn(r.Name)+"@"+d.Digest.String(), from)
		if err != nil {
			return err
		}
		all[platforms.Format(*d.Platform)] = config
	}
	r.Image = all
	return nil
}

func configIn(ctx context.Context, images *image.Images, name string, from image.Registry) (json.RawMessage, error) {
	remote, err := images.OpenRegistry(ctx, name, from)
	if err != nil {
		return nil, err
	}
	return remote.Raw, remote.Close()
}
