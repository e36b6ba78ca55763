package storage

import (
	"strings"
	"time"

	"github.com/mosscontainers/moss/pkg/config"
)

// keeperPrefix begins the names of the layers that keep layers of builds from being removed with an image.
const keeperPrefix = "moss-build-cache-"

// KeeperName is the name of the layer that keeps another one.
func KeeperName(layer string) string { return keeperPrefix + layer }

// Kept is a layer that is kept for later builds.
type Kept struct {
	ID, Parent string
	Size       int64 // bytes, unpacked
	Created    time.Time
	Used       bool // an image has it, which then has to go first
}

// KeptLayers are the layers of the build cache, without a lock.
func KeptLayers(s config.Storage) ([]Kept, error) {
	images, err := ListImages(s)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, img := range images {
		for _, id := range img.Layers {
			used[id] = true
		}
	}
	var kept []Kept
	for _, h := range homes(s) {
		if err := h.loadLayers(); err != nil {
			return nil, err
		}
		for _, keeper := range h.layers {
			l, ok := h.layers[keeper.Parent]
			if ok && keeper.keeps(l.ID) {
				kept = append(kept, Kept{l.ID, l.Parent, max(l.UncompressedSize, 0), l.Created, used[l.ID]})
			}
		}
	}
	return kept, nil
}

func (l layerRecord) keeps(id string) bool {
	return len(l.Names) == 1 && strings.TrimPrefix(l.Names[0], keeperPrefix) == id
}
