//go:build !moss_front

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/build/replay"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/image"
)

// newBuildCommand is `build`, in whichever group of commands.
func newBuildCommand(app *App) *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use: "build [flags] [CONTEXT]", Short: "Make an image of a Dockerfile",
		Args: rangeArgs(0, 1, "at most one build context: a directory, an URL, or - for the standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.context = append(args, ".")[0]
			return o.run(cmd.Context(), app, cmd)
		},
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func (o *buildOptions) run(ctx context.Context, app *App, cmd *cobra.Command) (err error) {
	if err := o.usual(app, cmd.Flags()); err != nil {
		return err
	}
	if err := o.complete(cmd.Flags()); err != nil {
		return err
	}
	if err := o.output.parse(app); err != nil {
		return err
	}
	if o.image.List != "" && !o.output.stores() {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --manifest %s: the image is not in the store; leave --output and --push out, or add --load", o.image.List)
	}
	if err := errors.Join(o.cache.parse(&o.Options), o.attest.parse(&o.Options)); err != nil {
		return err
	}
	if err := canWrite(o.resultFiles()...); err != nil {
		return err
	}
	engine, err := app.Engine()
	if err != nil {
		return err
	}
	show, err := newBuildProgress(app, o.mode(), o.logfile)
	if err != nil {
		return err
	}
	o.Progress, o.Version = show.tell, Version
	if o.step.stdin {
		o.Stdin = app.In
	}
	b, err := build.New(ctx, engine, &o.Options)
	if err != nil {
		return errors.Join(err, show.end(err))
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	err = o.completeContext(ctx, app, b)
	var res *build.Result
	if err == nil {
		res, err = b.Build(ctx)
	}
	if shown := show.end(err); err == nil {
		err = shown
	}
	if err != nil {
		return app.buildError(err)
	}
	if res.Answer != nil {
		return o.answer(app, res.Answer)
	}
	made, err := o.finish(ctx, app, b, res)
	if err != nil || made == nil || res.List || !show.shown.whole() || !o.repeats(cmd.Flags()) {
		return err
	}
	answer := replay.Answer{ID: made.ID, Manifest: made.Has.String(), IDFile: o.iidfile, Shown: show.shown.text}
	b.Remember(os.Args[1:], terminalOf(app.Err), answer, o.image.Names)
	return nil
}

// finish brings what was built to where it is wanted, and tells which image it is.
func (o *buildOptions) finish(ctx context.Context, app *App, b *build.Builder, res *build.Result) (*image.Assembled, error) {
	if err := o.attest.writeLists(app, b, res); err != nil {
		return nil, err
	}
	made, err := o.deliver(ctx, app, b, res)
	if err != nil {
		return nil, err
	}
	warnings, err := b.ExportCache(ctx, res, o.cache.to)
	app.Warn(warnings...)
	if err != nil || made == nil {
		return nil, err
	}
	if err := o.tell(made, res); err != nil {
		return nil, err
	}
	if o.output.toStdout() {
		return made, nil
	}
	_, err = fmt.Fprintln(app.Out, made.ID)
	return made, err
}

// resultFiles are those that say what was built.
func (o *buildOptions) resultFiles() []resultFile {
	return []resultFile{
		{"iidfile", o.iidfile}, {"iidfile-raw", o.iidRaw}, {"metadata-file", o.metadata}, {"sbom-output", o.attest.listFile}, {"sbom-purl-output", o.attest.urlFile},
	}
}

// tell writes the files that say what was built.
func (o *buildOptions) tell(made *image.Assembled, res *build.Result) error {
	return errors.Join(writeIDFile(o.iidfile, "sha256:"+made.ID), writeIDFile(o.iidRaw, made.ID), o.writeMetadata(made, res))
}

// buildahs takes over what Buildah's variables say, which Podman's build has too, where no flag says it.
func (o *buildOptions) buildahs(fs *flagSet) {
	for _, v := range []struct {
		flag, name string
		to         *string
	}{{"format", "BUILDAH_FORMAT", &o.image.format}, {"isolation", "BUILDAH_ISOLATION", &o.step.isolation}} {
		if value := os.Getenv(v.name); value != "" && !fs.Changed(v.flag) {
			*v.to = value
		}
	}
	if layers := os.Getenv("BUILDAH_LAYERS"); (layers == "false" || layers == "0") && !fs.Changed("layers") {
		o.image.layers = false
	}
}

// usual takes over what the environment and containers.conf say, where no flag says it.
func (o *buildOptions) usual(app *App, fs *flagSet) error {
	cfg, err := app.Config()
	if err != nil {
		return err
	}
	o.buildahs(fs)
	c := &cfg.Containers
	o.httpProxy = o.httpProxy && (c.HTTPProxy || fs.Changed("http-proxy"))
	if c.ImageFormat != "" && !fs.Changed("format") && os.Getenv("BUILDAH_FORMAT") == "" {
		o.image.format = c.ImageFormat
	}
	return nil
}

// complete makes options of the build of the flags.
func (o *buildOptions) complete(fs *flagSet) (err error) {
	if err := errors.Join(refuse(fs, refusedBuildFlags()), o.step.complete(fs, &o.Step)); err != nil {
		return err
	}
	if o.Pull, err = image.ParsePolicy(o.pull); err != nil {
		return err
	}
	if err := o.transfer(fs); err != nil {
		return err
	}
	for _, part := range []func() error{
		o.validate, o.image.complete, o.choosePlatform, o.names, o.frontEnd, o.epoch, o.secretsAndAgents,
	} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}
