package build

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mosscontainers/moss/storage/image"
)

// ImageOptions are what an image is to be, beside what its Dockerfile says.
type ImageOptions struct {
	Names       []string // full
	Annotations map[string]string
	Docker      bool // Docker's format
}

// Image makes an image of what was built, in the store.
func (b *Builder) Image(built Built, o ImageOptions) (*image.Assembled, error) {
	config, created, err := built.document()
	if err != nil {
		return nil, err
	}
	images, err := b.images()
	if err != nil {
		return nil, err
	}
	a := image.Assembly{Config: config, Names: o.Names, Annotations: o.Annotations, Docker: o.Docker, Created: created, Layers: built.layers.ids()}
	return images.Assemble(a)
}

// document completes the configuration of an image by its layers and by when they were made. What it does not know of it leaves as it is.
func (b *Built) document() (config []byte, created time.Time, err error) {
	var fields map[string]json.RawMessage
	var doc v1.Image
	if err := json.Unmarshal(b.Config, &fields); err != nil {
		return nil, created, fmt.Errorf("cannot read the configuration of the image: %w", err)
	}
	if err := json.Unmarshal(b.Config, &doc); err != nil {
		return nil, created, fmt.Errorf("cannot read the configuration of the image: %w", err)
	}
	doc.RootFS = v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}
	for _, l := range b.layers {
		doc.RootFS.DiffIDs = append(doc.RootFS.DiffIDs, l.DiffID)
	}
	created = b.date(&doc)
	for name, value := range map[string]any{"rootfs": doc.RootFS, "history": doc.History, "created": created} {
		if fields[name], err = json.Marshal(value); err != nil {
			return nil, created, err
		}
	}
	config, err = json.Marshal(fields)
	return config, created, err
}

// date fills in when the steps were made, and returns when the last was. History has an entry for each layer, and some for no layer.
func (b *Built) date(doc *v1.Image) time.Time {
	b.match(doc)
	var last time.Time
	at := 0
	for i := range doc.History {
		h := &doc.History[i]
		if !h.EmptyLayer {
			if created := b.layers[at].Created; h.Created == nil && !created.IsZero() {
				h.Created = &created
			}
			at++
		}
		if h.Created == nil {
			created := last
			h.Created = &created
		}
		last = *h.Created
	}
	if b.Epoch != nil {
		last = b.clamp(doc)
	}
	return last
}

// match makes as many entries for layers as there are layers.
func (b *Built) match(doc *v1.Image) {
	n := 0
	for i := range doc.History {
		if doc.History[i].EmptyLayer {
			continue
		}
		if n++; n > len(b.layers) {
			doc.History[i].EmptyLayer = true
		}
	}
	doc.History = slices.Clip(doc.History)
	for ; n < len(b.layers); n++ {
		doc.History = append(doc.History, v1.History{CreatedBy: "moss build"})
	}
}

// clamp has nothing be newer than the epoch.
func (b *Built) clamp(doc *v1.Image) time.Time {
	for i := range doc.History {
		if doc.History[i].Created.After(*b.Epoch) {
			doc.History[i].Created = b.Epoch
		}
	}
	return *b.Epoch
}
