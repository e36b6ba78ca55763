package build

import (
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

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
