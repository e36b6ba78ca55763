package export

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/image"
)

// Result is what was built for a platform.
type Result struct {
	Platform   v1.Platform
	Image      image.Assembly
	Open       func() (*Files, error) // its files
	Statements []Statement            // what is attested of it
}

// Files are a result's, to be read until they are closed.
type Files struct {
	Dir string
	io.Closer
}

// Exporter carries out outputs of one build.
type Exporter struct {
	Images  *image.Images
	Results []Result
	List    bool // the results are one list, of one too
	// Annotations are the list's.
	Annotations map[string]string
	Names       []string // of the images
	Registry    image.Copying
	Stdout      *os.File
	Epoch       *time.Time
}

// Export carries out an output, but for what of it is about the store. It returns the image as it was sent, nil for files.
func (e *Exporter) Export(ctx context.Context, o Output) (*image.Assembled, error) {
	switch {
	case o.Type == Local:
		return nil, e.local(ctx, o)
	case o.Type == Tar:
		return nil, e.tar(ctx, o)
	case o.Push:
		return e.sent(e.push(ctx, o))
	}
	return e.sent(e.archive(ctx, o))
}

// sent describes the image that was sent; of several, their list.
func (e *Exporter) sent(d v1.Descriptor, err error) (*image.Assembled, error) {
	if err != nil {
		return nil, err
	}
	config := digest.FromBytes(e.Results[0].Image.Config)
	id := config.Encoded()
	if e.List {
		id, config = d.Digest.Encoded(), ""
	}
	return &image.Assembled{ID: id, Manifest: d, Config: config}, nil
}

// push sends the image to the registries that its names say.
func (e *Exporter) push(ctx context.Context, o Output) (v1.Descriptor, error) {
	send := e.options(o, image.ToRegistry)
	if len(send.Names) == 0 {
		return v1.Descriptor{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot push the image: it has no name; give one with --tag or name=")
	}
	return e.send(ctx, o, send)
}

// archive writes the image to a file or a directory.
func (e *Exporter) archive(ctx context.Context, o Output) (v1.Descriptor, error) {
	to := image.OCIArchive
	switch {
	case o.Type == Docker && !o.Directory:
		to = image.DockerArchive
		if e.List {
			return v1.Descriptor{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot write a list of %d images as type=docker, which holds one image: use type=oci", len(e.Results))
		}
	case o.Directory:
		to = image.OCIDir
	}
	send := e.options(o, to)
	if send.Path = o.Dest; o.Dest == Stdout {
		send.Path = e.Stdout.Name()
	}
	return e.send(ctx, o, send)
}

func (e *Exporter) options(o Output, to string) image.SendOptions {
	send := image.SendOptions{To: to, Names: e.Names}
	send.Copying = e.Registry
	if len(o.Names) > 0 {
		send.Names = o.Names
	}
	o.Apply(&send)
	return send
}

// Apply says how layers are compressed, and how the registry is talked to.
func (o *Output) Apply(send *image.SendOptions) {
	if o.Compression != "uncompressed" {
		send.CompressionFormat = o.Compression
	}
	send.CompressionLevel, send.ForceCompression = o.CompressionLevel, o.ForceCompression && o.Compression != ""
	if o.Insecure {
		verify := false
		send.TLSVerify = &verify
	}
}

// send sends the results' images: one, or an index of several, with what is attested of them.
func (e *Exporter) send(ctx context.Context, o Output, send image.SendOptions) (v1.Descriptor, error) {
	bundle := e.Images.NewBundle()
	var list []v1.Descriptor
	attested := false
	for i := range e.Results {
		r := &e.Results[i]
		d, err := bundle.AddImage(o.assembly(r))
		if err != nil {
			return v1.Descriptor{}, err
		}
		d.Platform = &r.Platform
		list = append(list, d)
		attested = attested || len(r.Statements) > 0
	}
	attested = attested && send.To != image.DockerArchive
	byDigest := o.ByDigest && send.To == image.ToRegistry
	if !e.List && !attested {
		return e.sendBundle(ctx, bundle, send, byDigest)
	}
	index := indexOf(list)
	index.Annotations = o.annotated(e.Annotations, nil)
	raw, err := json.Marshal(index)
	if err != nil {
		return v1.Descriptor{}, err
	}
	bundle.AddManifest(v1.MediaTypeImageIndex, raw)
	if !attested {
		return e.sendBundle(ctx, bundle, send, byDigest)
	}
	return e.byLayout(ctx, bundle, send, byDigest, e.attest)
}

func (e *Exporter) sendBundle(ctx context.Context, bundle *image.Bundle, send image.SendOptions, byDigest bool) (v1.Descriptor, error) {
	if !byDigest {
		return e.Images.Send(ctx, bundle, send)
	}
	return e.byLayout(ctx, bundle, send, byDigest, func(_ layoutDir, top v1.Descriptor) (v1.Descriptor, error) { return top, nil })
}

// assembly is an image as an output wants it.
func (o *Output) assembly(r *Result) image.Assembly {
	a := r.Image
	a.Docker = a.Docker || o.Docker
	a.Annotations = o.annotated(a.Annotations, &r.Platform)
	return a
}
