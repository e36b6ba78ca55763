package build

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mosscontainers/moss/pkg/build/export"
	"github.com/mosscontainers/moss/storage/image"
)

// ExportCache brings what the build came by to where other builds find it. An error that the destination says to ignore is a warning.
func (b *Builder) ExportCache(ctx context.Context, res *Result, to []export.CacheSpec) (warnings []string, err error) {
	for _, c := range to {
		if c.Type == export.Inline {
			continue // it is in the image
		}
		if err := b.exportCache(ctx, res, c); err != nil {
			if !c.IgnoreError {
				return warnings, err
			}
			warnings = append(warnings, err.Error())
		}
	}
	return warnings, nil
}

func (b *Builder) exportCache(ctx context.Context, res *Result, c export.CacheSpec) error {
	images, err := b.images()
	if err != nil {
		return err
	}
	bundle, err := b.cacheBundle(images, res, c.Max)
	if err != nil {
		return fmt.Errorf("cannot export the cache: %w", err)
	}
	send := image.SendOptions{To: image.ToRegistry, Names: []string{c.Ref}}
	if c.Type == export.Local {
		send = image.SendOptions{To: image.OCIDir, Path: c.Dir, Names: []string{c.Tag}}
	}
	send.Copying = b.opts.Registry
	c.Output.Apply(&send)
	_, err = images.Send(ctx, bundle, send)
	return err
}

// cacheBundle is an image with the layers of all steps, or of those whose layers a result has.
func (b *Builder) cacheBundle(images *image.Images, res *Result, all bool) (*image.Bundle, error) {
	bundle := images.NewBundle()
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{}}
	diffIDs := []digest.Digest{}
	for _, l := range b.cacheLayers(res, all) {
		d, err := bundle.AddLayer(l.ID)
		if err != nil {
			return nil, err
		}
		m.Layers = append(m.Layers, d)
		diffIDs = append(diffIDs, l.DiffID)
	}
	raw, err := json.Marshal(map[string]any{
		"os": Here().OS, "architecture": Here().Architecture, "config": struct{}{},
		"rootfs": v1.RootFS{Type: "layers", DiffIDs: diffIDs}, cacheField: sharedCache{Steps: b.steps(placeIn(diffIDs))},
	})
	if err != nil {
		return nil, err
	}
	m.Config = bundle.AddBlob(v1.MediaTypeImageConfig, raw)
	if raw, err = json.Marshal(m); err != nil {
		return nil, err
	}
	bundle.AddManifest(v1.MediaTypeImageManifest, raw)
	return bundle, nil
}

// cacheLayers are those of the results, and with all those of every step, each once.
func (b *Builder) cacheLayers(res *Result, all bool) []layer {
	var list []layer
	seen := map[digest.Digest]bool{}
	add := func(layers snapshot) {
		for _, l := range layers {
			if !seen[l.DiffID] {
				seen[l.DiffID] = true
				list = append(list, l)
			}
		}
	}
	for i := range res.Images {
		add(res.Images[i].layers)
	}
	if all {
		for _, key := range b.usedKeys() {
			add(b.used[key].Layers)
		}
	}
	return list
}

// withInline is the configuration of an image with these layers, with what is remembered of their steps.
func (b *Builder) withInline(config []byte, layers snapshot) ([]byte, error) {
	var diffIDs []digest.Digest
	for _, l := range layers {
		diffIDs = append(diffIDs, l.DiffID)
	}
	var all fields
	if err := json.Unmarshal(config, &all); err != nil {
		return nil, err
	}
	if err := all.set(map[string]any{cacheField: sharedCache{Steps: b.steps(placeIn(diffIDs))}}); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}
