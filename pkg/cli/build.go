//go:build !moss_front

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/image"
)

// buildOptions are the flags of build.
type buildOptions struct {
	build.Options
	image    build.ImageOptions
	context  string
	file     string
	tags     []string
	target   string
	args     []string
	pull     string
	progress string
	quiet    bool
}

func newBuildCommand(app *App) *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use: "build [flags] [CONTEXT]", Short: "Make an image of a Dockerfile",
		Args: rangeArgs(0, 1, "a build context: a directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.context = "."
			if len(args) > 0 {
				o.context = args[0]
			}
			return o.run(cmd.Context(), app)
		},
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func (o *buildOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.file, "file", "f", "", "Dockerfile (default Containerfile or Dockerfile in the context)")
	fs.StringArrayVarP(&o.tags, "tag", "t", nil, "name of the image; may be given several times")
	fs.StringVar(&o.target, "target", "", "build this stage")
	fs.StringArrayVar(&o.args, "build-arg", nil, "value of an ARG: NAME=VALUE, or NAME to take it from here")
	fs.StringVar(&o.pull, "pull", "missing", "when to pull: always, missing, never, newer")
	fs.Lookup("pull").NoOptDefVal = "always"
	fs.IntVar(&o.Jobs, "jobs", runtime.NumCPU(), "how many steps to work on at a time")
	fs.StringVar(&o.progress, "progress", "auto", "how to show progress: auto, plain, tty, rawjson, quiet")
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "print only the image's id")
}

func (o *buildOptions) run(ctx context.Context, app *App) (err error) {
	if err := o.complete(); err != nil {
		return err
	}
	engine, err := app.Engine()
	if err != nil {
		return err
	}
	show := newBuildProgress(app, o.mode())
	o.Progress = show.tell
	b, err := build.New(engine, &o.Options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	res, err := b.Build(ctx)
	if shown := show.end(); err == nil {
		err = shown
	}
	if err != nil {
		return app.buildError(err)
	}
	made, err := b.Image(res.Images[0], o.image)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(app.Out, made.ID)
	return err
}

// complete makes options of the build of the flags.
func (o *buildOptions) complete() (err error) {
	if o.Pull, err = image.ParsePolicy(o.pull); err != nil {
		return err
	}
	for _, tag := range o.tags {
		named, err := image.ParseName(tag)
		if err != nil {
			return err
		}
		o.image.Names = append(o.image.Names, named.String())
	}
	o.FrontEnd = map[string]string{}
	if o.target != "" {
		o.FrontEnd["target"] = o.target
	}
	for _, arg := range o.args {
		name, value, given := strings.Cut(arg, "=")
		if !given {
			if value, given = os.LookupEnv(name); !given {
				continue
			}
		}
		o.FrontEnd["build-arg:"+name] = value
	}
	return o.findDockerfile()
}

// findDockerfile finds the Dockerfile, in the context unless it is named.
func (o *buildOptions) findDockerfile() error {
	dir, err := filepath.Abs(o.context)
	if err != nil {
		return err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the build context %s: it is not a directory", o.context)
	}
	file := o.file
	if file == "" {
		file = filepath.Join(dir, "Containerfile")
		if _, err := os.Stat(file); err != nil {
			file = filepath.Join(dir, "Dockerfile")
		}
	}
	if file, err = filepath.Abs(file); err != nil {
		return err
	}
	o.Locals = map[string]string{"context": dir, "dockerfile": filepath.Dir(file)}
	o.FrontEnd["filename"] = filepath.Base(file)
	return nil
}

func (o *buildOptions) mode() string {
	if o.quiet {
		return "quiet"
	}
	return o.progress
}
