package storage

import (
	"github.com/mosscontainers/moss/pkg/config"
)

// Usage is what images take on disk, for `system df`.
type Usage struct {
	Images int
	Size   int64 // bytes, each layer counted once
	// Reclaimable is what removing all unused images would free.
	Reclaimable int64
	PerImage    []ImageUsage
}

// ImageUsage splits an image's size into what other images share and what is its own.
type ImageUsage struct {
	Summary
	Shared, Unique int64
	Used           bool // a container uses it
}

// DiskUsage adds up layers from the store's records, without walking directories and without a lock.
// used says which images (by full id) containers use.
func DiskUsage(s config.Storage, used func(id string) bool) (*Usage, error) {
	images, err := ListImages(s)
	if err != nil {
		return nil, err
	}
	layers, err := layerSizes(s)
	if err != nil {
		return nil, err
	}
	count, kept := map[string]int{}, map[string]bool{}
	for _, img := range images {
		for _, id := range img.Layers {
			count[id]++
			kept[id] = kept[id] || used(img.ID)
		}
	}
	u := &Usage{Images: len(images)}
	for _, img := range images {
		u.PerImage = append(u.PerImage, imageUsage(img, layers, count, used(img.ID)))
	}
	for id := range count {
		u.Size += layers[id]
		if !kept[id] {
			u.Reclaimable += layers[id]
		}
	}
	return u, nil
}

func imageUsage(img Summary, layers map[string]int64, count map[string]int, used bool) ImageUsage {
	u := ImageUsage{Summary: img, Used: used}
	for _, id := range img.Layers {
		if count[id] > 1 {
			u.Shared += layers[id]
		} else {
			u.Unique += layers[id]
		}
	}
	return u
}

func layerSizes(s config.Storage) (map[string]int64, error) {
	sizes := map[string]int64{}
	for _, h := range homes(s) {
		if err := h.loadLayers(); err != nil {
			return nil, err
		}
		for id, l := range h.layers {
			sizes[id] = max(l.UncompressedSize, 0)
		}
	}
	return sizes, nil
}

// LayerSizes are the unpacked sizes, in bytes, of these layers.
func LayerSizes(s config.Storage, ids []string) ([]int64, error) {
	all, err := layerSizes(s)
	if err != nil {
		return nil, err
	}
	sizes := make([]int64, len(ids))
	for i, id := range ids {
		sizes[i] = all[id]
	}
	return sizes, nil
}
