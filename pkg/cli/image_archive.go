//go:build !moss_front

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/term"
	"github.com/mosscontainers/moss/storage/image"
)

func newLoadCommand(app *App) *cobra.Command {
	var input, platform string
	var quiet bool
	cmd := &cobra.Command{
		Use: "load [flags]", Short: "Copy the images of an archive into the local store", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if input == "" && term.IsTerminal(app.In) {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot load from a terminal: give --input FILE, or send the archive through a pipe")
			}
			return app.withImages(cmd.Context(), func(images *image.Images) error {
				loaded, err := load(cmd, app, images, input, quiet)
				for _, l := range loaded {
					if _, err := images.ForPlatform(l.ID, platform); err != nil {
						return err
					}
					if err := app.printLoaded(l); err != nil {
						return err
					}
				}
				return err
			})
		},
	}
	cmd.Flags().StringVarP(&input, "input", "i", "", "archive or directory to read (default: standard input)")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show no progress")
	cmd.Flags().StringVar(&platform, "platform", "", "complain of an image of another platform, OS/ARCH[/VARIANT]")
	return cmd
}

func load(cmd *cobra.Command, app *App, images *image.Images, input string, quiet bool) ([]image.Loaded, error) {
	if input == "" || input == "-" {
		return images.LoadStream(cmd.Context(), app.In, app.progress(quiet))
	}
	return images.Load(cmd.Context(), input, app.progress(quiet))
}

// printLoaded names what came, a line for each name, as Podman and Docker do, and what lost its name to it.
func (a *App) printLoaded(l image.Loaded) error {
	for name, old := range l.Replaced {
		a.Warn(fmt.Sprintf("%s was image %s before; that image keeps its id alone", name, names.Short(old)))
	}
	names := l.Names
	if len(names) == 0 {
		names = []string{"sha256:" + l.ID}
	}
	_, err := fmt.Fprintf(a.Out, "Loaded image: %s\n", strings.Join(names, "\nLoaded image: "))
	return err
}

type saveOptions struct {
	image.SaveOptions
	output       string
	quiet, multi bool
}

func newSaveCommand(app *App) *cobra.Command {
	var o saveOptions
	cmd := &cobra.Command{
		Use: "save [flags] IMAGE...", Short: "Write images into an archive",
		Args: minArgs(1, "the name of an image"), ValidArgsFunction: app.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.output == "" {
				if term.IsTerminal(app.Out) {
					return errdefs.Errorf(errdefs.ErrInvalid, "cannot write an archive to a terminal: give --output FILE")
				}
				if strings.HasSuffix(o.Format, "-dir") {
					return errdefs.Errorf(errdefs.ErrInvalid, "cannot write the format %s to the standard output: give --output DIRECTORY", o.Format)
				}
			}
			o.Progress = app.progress(o.quiet)
			return app.withImages(cmd.Context(), func(images *image.Images) error {
				if o.output == "" {
					return o.toStdout(cmd.Context(), app.Out, images, args)
				}
				return images.Save(cmd.Context(), args, o.output, o.SaveOptions)
			})
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&o.output, "output", "o", "", "file or directory to write (default: standard output)")
	fs.StringVar(&o.Format, "format", image.DockerArchive, "docker-archive, oci-archive, oci-dir or docker-dir")
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "show no progress")
	fs.BoolVar(&o.Compress, "compress", false, "compress the layers in a docker-dir")
	fs.BoolVar(&o.Plain, "uncompressed", false, "do not compress the layers of oci-archive and oci-dir; those of docker-archive never are")
	fs.StringVar(&o.Platform, "platform", "", "of a list, the image for this platform; an image for another is refused, OS/ARCH[/VARIANT]")
	fs.BoolVarP(&o.multi, "multi-image-archive", "m", false, "accepted for podman's sake: several images always become one archive")
	return cmd
}

// toStdout saves into what we write to, as it is open: a socket, which sshd gives us, cannot be opened again, and a file that is appended to
// would be written from its beginning.
func (o *saveOptions) toStdout(ctx context.Context, out *os.File, images *image.Images, names []string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(out, r)
		copied <- errors.Join(err, r.Close()) // whoever still writes is told
	}()
	saved := errors.Join(images.Save(ctx, names, fmt.Sprintf("/proc/self/fd/%d", w.Fd()), o.SaveOptions), w.Close())
	select {
	case err = <-copied:
	case <-ctx.Done(): // nobody may be reading
	}
	if err != nil {
		return fmt.Errorf("cannot save to the standard output: %w", err)
	}
	return saved
}

type importOptions struct {
	image.ImportOptions
	platform string
	quiet    bool
}

func newImportCommand(app *App) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use: "import [flags] FILE|URL|- [NAME]", Short: "Make an image of a root file system in a tar archive",
		Args: rangeArgs(1, 2, "an archive, and may have a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				o.Name = args[1]
			}
			if o.platform != "" {
				platform, err := image.ParsePlatform(o.platform)
				if err != nil {
					return err
				}
				o.Platform = platform
			}
			return app.withImages(cmd.Context(), func(images *image.Images) error {
				id, err := images.Import(cmd.Context(), args[0], app.In, o.ImportOptions)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(app.Out, "sha256:"+id)
				return err
			})
		},
	}
	fs := cmd.Flags()
	fs.StringArrayVarP(&o.Changes, "change", "c", nil, "apply an instruction of a Dockerfile, as in CMD=[\"sh\"]")
	fs.StringVarP(&o.Message, "message", "m", "", "comment for the history")
	fs.StringVar(&o.platform, "platform", "", "platform of the image, OS/ARCH[/VARIANT]")
	fs.StringVar(&o.Platform.OS, "os", "", "operating system of the image")
	fs.StringVar(&o.Platform.Arch, "arch", "", "architecture of the image")
	fs.StringVar(&o.Platform.Variant, "variant", "", "variant of the architecture")
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "accepted for podman's sake: only the id is printed")
	return cmd
}
