//go:build !moss_front

package cli

import (
	"context"
	"slices"

	"github.com/containerd/platforms"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/build/export"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/term"
	"github.com/mosscontainers/moss/storage/image"
)

// outputOptions are the flags of build that say where the result goes.
type outputOptions struct {
	outputs    []string
	push, load bool
	parsed     []export.Output
}

func (o *outputOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringArrayVarP(&o.outputs, "output", "o", nil, "where the result goes: `type=local|tar|oci|docker|image|registry[,KEY=VALUE]`, a directory, or - (default type=image)")
	fs.BoolVar(&o.push, "push", false, "push the image to where its names say: --output type=registry")
	fs.BoolVar(&o.load, "load", false, "keep the image in the store, beside other outputs: --output type=docker")
}

// parse reads the flags. Without any, the image is stored.
func (o *outputOptions) parse(app *App) error {
	if o.push {
		o.parsed = append(o.parsed, export.Output{Type: export.Image, Push: true})
	}
	if o.load || len(o.outputs) == 0 && !o.push {
		o.parsed = append(o.parsed, export.Output{Type: export.Image, Store: true})
	}
	streams := 0
	for _, text := range o.outputs {
		out, err := export.Parse(text)
		if err != nil {
			return err
		}
		if out.Dest == export.Stdout {
			streams++
		}
		o.parsed = append(o.parsed, out)
	}
	if streams > 1 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot write %d outputs to the standard output: give others a dest=", streams)
	}
	if streams > 0 && term.IsTerminal(app.Out) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot write an archive to a terminal: say where to, with dest=FILE")
	}
	return nil
}

// stores says whether the image is to be in the store.
func (o *outputOptions) stores() bool {
	return slices.ContainsFunc(o.parsed, func(out export.Output) bool { return out.Stores() })
}

// pushes says whether the image goes to a registry.
func (o *outputOptions) pushes() bool {
	return slices.ContainsFunc(o.parsed, func(out export.Output) bool { return out.Push })
}

// toStdout says whether the standard output is taken.
func (o *outputOptions) toStdout() bool {
	return slices.ContainsFunc(o.parsed, func(out export.Output) bool { return out.Dest == export.Stdout })
}

// allNames are those of the image and those that outputs give it instead.
func (o *buildOptions) allNames() []string {
	names := slices.Clone(o.image.Names)
	for i := range o.output.parsed {
		for _, name := range o.output.parsed[i].Names {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// deliver carries out all outputs. The image that it returns need not be in the store; nil where only files were asked for.
func (o *buildOptions) deliver(ctx context.Context, app *App, b *build.Builder, res *build.Result) (*image.Assembled, error) {
	if o.output.stores() && len(res.Images[0].Statements) > 0 {
		app.Warn("what is attested of the image is not in the store: it is in what is pushed, and in archives of type=oci")
	}
	if o.annotatesList() && !res.List && len(res.Images[0].Statements) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot annotate the list of images: for one platform there is none; write --annotation manifest:KEY=VALUE, or --build-arg BUILDKIT_MULTI_PLATFORM=1")
	}
	sent, err := o.send(ctx, app, b, res)
	if err != nil || !o.output.stores() {
		return sent, err
	}
	stored, err := b.Store(ctx, res, o.stored())
	if err == nil && sent != nil && o.output.pushes() {
		stored.Manifest, stored.Config = sent.Manifest, sent.Config // a registry's is what others can ask for
	}
	return stored, err
}

// annotatesList says whether the list of images is to have annotations.
func (o *buildOptions) annotatesList() bool {
	return len(o.image.ListAnnotations) > 0 || slices.ContainsFunc(o.output.parsed, func(out export.Output) bool { return out.AnnotatesList() })
}

// stored is what the image in the store is like: there is one, whatever the outputs that ask for it.
func (o *buildOptions) stored() build.ImageOptions {
	stored := o.image.ImageOptions.Clone()
	for i := range o.output.parsed {
		out := &o.output.parsed[i]
		if !out.Stores() {
			continue
		}
		stored.Names = append(stored.Names, out.Names...)
		stored.Docker = stored.Docker || out.Docker
		for _, a := range out.Annotations {
			switch {
			case a.OfList():
				stored.ListAnnotations[a.Key] = a.Value
			case a.Platform != nil:
				stored.AnnotatePlatform(platforms.Format(*a.Platform), a.Key, a.Value)
			default:
				stored.Annotations[a.Key] = a.Value
			}
		}
	}
	return stored
}

// send carries out all outputs but storing. It returns what a registry got, before what an archive has.
func (o *buildOptions) send(ctx context.Context, app *App, b *build.Builder, res *build.Result) (last *image.Assembled, err error) {
	if !slices.ContainsFunc(o.output.parsed, func(out export.Output) bool { return out.Sends() }) {
		return nil, nil
	}
	e, err := o.exporter(ctx, app, b, res)
	if err != nil {
		return nil, err
	}
	pushed := false
	for _, out := range o.output.parsed {
		if !out.Sends() {
			continue
		}
		sent, err := e.Export(ctx, out)
		if err != nil {
			return nil, err
		}
		if sent != nil && (out.Push || !pushed) {
			last, pushed = sent, out.Push
		}
	}
	return last, nil
}

func (o *buildOptions) exporter(ctx context.Context, app *App, b *build.Builder, res *build.Result) (*export.Exporter, error) {
	images, err := b.Images()
	if err != nil {
		return nil, err
	}
	e := &export.Exporter{Images: images, List: res.List, Annotations: o.image.ListAnnotations, Names: o.image.Names, Registry: o.Options.Registry, Stdout: app.Out, Epoch: o.Epoch}
	e.Registry.Progress = app.progress(o.quiet)
	for _, built := range res.Images {
		a, err := b.Assembly(ctx, built, o.image.ImageOptions)
		if err != nil {
			return nil, err
		}
		e.Results = append(e.Results, export.Result{Platform: built.Platform, Image: a, Statements: built.Statements, Open: func() (*export.Files, error) {
			dir, closer, err := b.Files(built)
			return &export.Files{Dir: dir, Closer: closer}, err
		}})
	}
	return e, nil
}
