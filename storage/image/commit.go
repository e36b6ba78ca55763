package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/store"
)

// CommitOptions describe a container that becomes an image.
type CommitOptions struct {
	ImageID string      // the container's image; "" for one without
	Upper   store.Upper // its writable layer
	// Config replaces the image's; nil keeps it. The caller puts in what the container was started with.
	Config    *spec.ImageConfig
	Merge     []byte   // a configuration in JSON, of which what is there counts; may be nil
	Changes   []string // instructions of a Dockerfile, applied last
	Names     []string // may be empty
	Author    string
	Message   string
	CreatedBy string    // what history shows; the container's command
	Created   time.Time // zero: now
	Docker    bool      // of Docker's format, not of OCI's
	// Whole, when not nil, says what is wrong with what was read of the layer: that it was being removed.
	Whole func() error
	// Squash opens layers, topmost first, as one tree, which becomes the image's only layer; nil keeps them apart.
	Squash func(layers []string) (*os.File, error)
}

// Commit makes an image of a container: the image's layers and one of the container's changes.
func (im *Images) Commit(ctx context.Context, o CommitOptions) (id string, err error) {
	names, err := fullNames(o.Names)
	if err != nil {
		return "", err
	}
	doc, layers, err := im.base(o.ImageID)
	if err != nil {
		return "", err
	}
	if o.Config != nil {
		doc.Config = *o.Config
	}
	if o.Merge != nil {
		if err := json.Unmarshal(o.Merge, &doc.Config); err != nil {
			return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot read the configuration for the image: %w", err)
		}
	}
	if err := Apply(&doc.Config, o.Changes); err != nil {
		return "", err
	}
	record(&doc, o)
	parent := ""
	if len(layers) > 0 {
		parent = layers[len(layers)-1].ID
	}
	layer, err := im.commitUpper(ctx, parent, o)
	if err != nil {
		return "", explain(err, "commit", "the container")
	}
	layers = append(layers, *layer)
	if o.Squash != nil && len(layers) > 1 {
		above := layer.ID
		if layers, err = im.together(ctx, layers, o.Squash); err != nil {
			return "", im.dropLayer(above, explain(err, "squash", "the image"))
		}
		defer func() { err = errors.Join(err, im.store.DeleteLayer(above)) }()
		onlyLast(doc.History)
	}
	id, err = im.newImage(doc, layers, names, o.Docker)
	return id, im.dropLayer(layers[len(layers)-1].ID, err)
}

// commitUpper makes a layer of the container's own.
func (im *Images) commitUpper(ctx context.Context, parent string, o CommitOptions) (*store.Layer, error) {
	layer, err := im.store.CommitLayer(ctx, parent, o.Upper)
	if o.Whole == nil {
		return layer, err
	}
	if gone := o.Whole(); gone != nil && err != nil { // that is why
		return nil, gone
	} else if gone != nil {
		return nil, im.dropLayer(layer.ID, gone)
	}
	return layer, err
}

// together makes one layer of several.
func (im *Images) together(ctx context.Context, layers []store.Layer, open func([]string) (*os.File, error)) (_ []store.Layer, err error) {
	var ids []string
	for _, l := range slices.Backward(layers) {
		ids = append(ids, l.ID)
	}
	root, err := open(ids)
	if err != nil {
		return nil, err
	}
	defer closing(&err, root)
	one, err := im.store.CommitLayer(ctx, "", store.Upper{Dir: fmt.Sprintf("/proc/self/fd/%d", root.Fd()), Merged: true})
	if err != nil {
		return nil, err
	}
	return []store.Layer{*one}, nil
}

// onlyLast has the last step of a history be the one that made the layer.
func onlyLast(history []v1.History) {
	for i := range history {
		history[i].EmptyLayer = i < len(history)-1
	}
}

// base is the configuration and the layers to build on.
func (im *Images) base(id string) (Document, []store.Layer, error) {
	if id == "" {
		return Document{Platform: v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}}, nil, nil
	}
	img, err := im.find(id)
	if err != nil {
		return Document{}, nil, err
	}
	layers, err := im.layersOf(img)
	if err != nil {
		return Document{}, nil, err
	}
	raw, err := storage.ReadConfig(im.cfg.Storage, img.ID)
	if err != nil {
		return Document{}, nil, err
	}
	var doc Document
	if err := json.Unmarshal(raw, &doc); err != nil {
		return Document{}, nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot build on image %s: its configuration is damaged: %w", names.Short(img.ID), err)
	}
	return doc, layers, nil
}

// record writes down when, by whom and how the image was made.
func record(doc *Document, o CommitOptions) {
	created := o.Created
	if created.IsZero() {
		created = time.Now()
	}
	created = created.UTC()
	doc.Created = &created
	if o.Author != "" {
		doc.Author = o.Author
	}
	doc.History = append(doc.History, v1.History{
		Created: &created, CreatedBy: firstOf(o.CreatedBy, "moss commit"), Author: o.Author, Comment: o.Message,
	})
}

func fullNames(names []string) ([]string, error) {
	var full []string
	for _, name := range names {
		named, err := ParseName(name)
		if err != nil {
			return nil, err
		}
		full = append(full, named.String())
	}
	return full, nil
}
