package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/storage"
)

// createOptions are the flags of create and run: the container's description, and what is done only once.
type createOptions struct {
	spec.Container
	imageChoice
	rootfs  bool
	replace bool
	flags   *pflag.FlagSet // those of the command
}

func (o *createOptions) addFlags(fs *pflag.FlagSet) {
	o.flags = fs
	o.Container.AddFlags(fs)
	o.imageChoice.addFlags(fs)
	fs.StringVar(&o.CIDFile, "cidfile", "", "write the container's id to this new file")
	fs.BoolVar(&o.rootfs, "rootfs", false, "the first argument is a directory, not an image")
	fs.BoolVar(&o.replace, "replace", false, "remove the container that has the name already")
}

// addRareFlags declares the others, once all that are not rare are there.
func (o *createOptions) addRareFlags(app *App) {
	if !app.rare(o.flags) {
		return
	}
	o.Container.AddRareFlags(o.flags)
	o.imageChoice.addRareFlags(o.flags)
}

// create makes the container that flags and arguments describe, and returns its id.
func (o *createOptions) create(ctx context.Context, app *App, args []string) (*spec.Container, error) {
	c, err := o.describe(app, args)
	if err != nil {
		return nil, err
	}
	img, err := o.image(ctx, app, args[0])
	if err != nil {
		return nil, err
	}
	engine, err := app.Engine()
	if err != nil {
		return nil, err
	}
	return c, o.store(func() error { return engine.Create(ctx, c, o.made(img)) })
}

// describe completes the description by flags and arguments.
func (o *createOptions) describe(app *App, args []string) (*spec.Container, error) {
	c := &o.Container
	c.CreateCommand = os.Args
	c.Command = args[1:]
	if err := o.settlePlatform(); err != nil {
		return nil, err
	}
	if err := o.usual(app); err != nil {
		return nil, err
	}
	return c, c.Validate() // before anything is pulled
}

// usual takes over what containers.conf says of how containers are made, where no flag says it.
func (o *createOptions) usual(app *App) error {
	cfg, err := app.Config()
	if err != nil {
		return err
	}
	if !o.flags.Changed("pull") {
		o.pull = cfg.Containers.PullPolicy
	}
	o.Container.Runtime = app.runtime
	// The launcher stands in for these two. Others are chosen because they isolate otherwise.
	if usual := cfg.Containers.Runtime; app.runtime == "" && usual != "crun" && usual != "runc" {
		o.Container.Runtime = usual
	}
	return nil
}

// made says how the container is made of an image.
func (o *createOptions) made(img *storage.Image) libpod.CreateOptions {
	return libpod.CreateOptions{Image: img, Replace: o.replace}
}

// store creates the container that was described, by add, which may start it too.
func (o *createOptions) store(add func() error) error {
	cidfile, err := o.openCIDFile()
	if err != nil {
		return err
	}
	err = add()
	if !created(err) {
		return errors.Join(err, cidfile.abandon())
	}
	return errors.Join(err, cidfile.write(o.ID))
}

// created says whether a container is there after all.
func created(err error) bool {
	var notStarted *state.StartError
	return err == nil || errors.As(err, &notStarted)
}

// image finds the image, nil for a directory.
func (o *createOptions) image(ctx context.Context, app *App, name string) (*storage.Image, error) {
	c := &o.Container
	if o.rootfs {
		o.warnOfHealth(app)
		dir, err := filepath.Abs(name)
		c.Image.Rootfs = dir
		return nil, err
	}
	img, err := app.findImage(ctx, name, o.imageChoice, !c.Remove)
	if err != nil {
		return nil, err
	}
	o.warnOfHealth(app)
	c.Image.Name = imageName(img, name)
	if o.platform == "" && img.Architecture != "" && img.Architecture != runtime.GOARCH && !host.Kin(img.Architecture) {
		app.Warn(fmt.Sprintf("image %s is for %s, and this machine is %s; --platform %[2]s says that this is meant", c.Image.Name, img.Platform(), runtime.GOARCH))
	}
	return img, nil
}

// warnOfHealth tells once what some flags do not do, when it is this program that makes the container.
func (o *createOptions) warnOfHealth(app *App) {
	if given := o.HealthFlags; len(given) > 0 {
		app.Warn("cannot apply " + strings.Join(given, ", ") + ", so the container runs without: containers are not checked for health yet")
	}
}

// cidFile is the file of --cidfile, which must not have been there.
type cidFile struct{ file *os.File }

func (o *createOptions) openCIDFile() (cidFile, error) {
	if o.CIDFile == "" {
		return cidFile{}, nil
	}
	f, err := os.OpenFile(o.CIDFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, os.ErrExist) {
		return cidFile{}, errdefs.Errorf(errdefs.ErrConflict, "cannot write --cidfile %s: it exists already; remove it or name another file", o.CIDFile)
	}
	if err != nil {
		return cidFile{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot write --cidfile: %w", err)
	}
	return cidFile{f}, nil
}

func (f cidFile) write(id string) error {
	if f.file == nil {
		return nil
	}
	_, err := io.WriteString(f.file, id)
	return errors.Join(err, f.file.Close())
}

func (f cidFile) abandon() error {
	if f.file == nil {
		return nil
	}
	return errors.Join(os.Remove(f.file.Name()), f.file.Close())
}

func newCreateCommand(app *App) *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use: "create [flags] IMAGE [COMMAND [ARG...]]", Short: "Make a container without starting it",
		Args:              minArgs(1, "an image"),
		ValidArgsFunction: app.completeImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.create(cmd.Context(), app, args)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(app.Out, c.ID)
			return err
		},
	}
	cmd.Flags().SetInterspersed(false)
	o.addFlags(cmd.Flags())
	cmd.Flags().StringSliceP("attach", "a", nil, "of no meaning: start says what is attached")
	o.addRareFlags(app)
	return cmd
}

type runOptions struct {
	createOptions
	attachOptions
	inherited
	detach  bool
	streams []string
}

func newRunCommand(app *App) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use: "run [flags] IMAGE [COMMAND [ARG...]]", Short: "Run a command in a new container",
		Args:              minArgs(1, "an image"),
		ValidArgsFunction: app.completeImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), app, args)
		},
	}
	fs := cmd.Flags()
	fs.SetInterspersed(false)
	o.createOptions.addFlags(fs)
	o.attachOptions.addFlags(fs)
	o.inherited.addFlags(fs)
	fs.BoolVarP(&o.detach, "detach", "d", false, "run in the background and print the container's id")
	fs.StringSliceVarP(&o.streams, "attach", "a", nil, "attach only to these of stdin, stdout, stderr")
	o.createOptions.addRareFlags(app)
	return cmd
}

func (o *runOptions) run(ctx context.Context, app *App, args []string) error {
	if o.detach && len(o.streams) > 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --attach with --detach: choose one")
	}
	for i, name := range o.streams {
		o.streams[i] = strings.ToLower(name) // as peers do: VS Code says STDOUT
	}
	o.Container.DetachKeys = o.keys
	c, err := o.describe(app, args)
	if err != nil {
		return err
	}
	var opts libpod.StartOptions
	if err := o.sockets(&opts); err != nil {
		return err
	}
	engine, err := app.Engine()
	if err != nil {
		return err
	}
	// The monitor starts up while the image is found and the container is created.
	m, err := engine.Spawn(ctx, c)
	if err != nil {
		return err
	}
	img, err := o.image(ctx, app, args[0])
	if err != nil {
		return errors.Join(err, m.Close())
	}
	var conn, theirs *os.File
	if !o.detach {
		if conn, theirs, err = monitor.Pair(); err != nil {
			return errors.Join(err, m.Close())
		}
	}
	made, started := false, false
	start := func() (warnings []string, err error) {
		err = o.store(func() error {
			opts.Attach, opts.Monitor = theirs, m
			m = nil // Run uses it up
			warnings, err = engine.Run(ctx, c, o.made(img), opts)
			made, started = created(err), err == nil
			return err
		})
		if err == nil && o.onlyStdin() {
			_, err = fmt.Fprintln(app.Out, c.ID)
		}
		return warnings, err
	}
	if o.detach {
		err = o.start(app, start)
	} else {
		err = app.startAttached(ctx, c, o.attachOptions, o.streams, conn, theirs, start)
	}
	err = errors.Join(err, m.Close())
	if _, left := exitInterrupted(ctx, err); !made || started && left {
		return err
	}
	return o.undo(ctx, app, c, err)
}

// onlyStdin says whether nothing of what the container says is to be seen: then Docker prints its id.
func (o *runOptions) onlyStdin() bool {
	return len(o.streams) > 0 && !slices.Contains(o.streams, "stdout") && !slices.Contains(o.streams, "stderr")
}

func (o *runOptions) start(app *App, start func() ([]string, error)) error {
	warnings, err := start()
	app.Warn(warnings...)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(app.Out, o.ID)
	return err
}

// undo removes a container that was to remove itself, but never ran or lost who reads its output.
func (o *runOptions) undo(ctx context.Context, app *App, c *spec.Container, err error) error {
	var exit *errdefs.ExitError
	if err == nil || errors.As(err, &exit) || !c.Remove {
		return err
	}
	engine, engineErr := app.Engine()
	if engineErr != nil {
		return errors.Join(err, engineErr)
	}
	now := uint(0)
	removeErr := engine.Remove(context.WithoutCancel(ctx), c.ID, libpod.RemoveOptions{Force: true, Timeout: &now})
	if errors.Is(removeErr, errdefs.ErrNotFound) {
		removeErr = nil
	}
	if o.CIDFile != "" && removeErr == nil {
		removeErr = os.Remove(o.CIDFile)
	}
	return errors.Join(err, removeErr)
}
