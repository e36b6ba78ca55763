package image

import (
	"slices"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/storage"
)

// TreeLayer is a layer of an image in a tree.
type TreeLayer struct {
	ID   string
	Size int64    // bytes, unpacked
	Tops []string // full names of the images whose topmost layer it is
}

// Tree is how an image is built of layers, or what was built on it.
type Tree struct {
	ID     string
	Names  []string
	Size   int64       // bytes, unpacked
	Layers []TreeLayer // lowest first
	// Children are the layers right above the image's own, with those above them.
	Children []TreeNode
}

// TreeNode is a layer and the layers that other images have above it.
type TreeNode struct {
	TreeLayer
	Children []TreeNode
}

// LayerTree describes the layers of an image; with requires, also those of the images that were built on it. It reads files only.
func LayerTree(cfg *config.Config, name string, requires bool) (*Tree, error) {
	img, err := storage.Resolve(cfg, name)
	if err != nil {
		return nil, err
	}
	all, err := everyImage(cfg)
	if err != nil {
		return nil, err
	}
	tree := &Tree{ID: img.ID, Names: img.Names, Size: img.Size}
	if requires {
		tree.Children, err = childrenOf(cfg, all, upwards(img))
		return tree, err
	}
	tree.Layers, err = describeLayers(cfg, all, upwards(img))
	return tree, err
}

// everyImage is all images that can be read.
func everyImage(cfg *config.Config) ([]*storage.Image, error) {
	summaries, err := storage.ListImages(cfg.Storage)
	if err != nil {
		return nil, err
	}
	var all []*storage.Image
	for _, summary := range summaries {
		img, err := storage.Resolve(cfg, summary.ID)
		if err == nil && !slices.ContainsFunc(all, func(o *storage.Image) bool { return o.ID == img.ID }) { // also what lists lead to
			all = append(all, img)
		}
	}
	return all, nil
}

// upwards are the layers' ids, lowest first.
func upwards(img *storage.Image) []string {
	ids := slices.Clone(img.Layers)
	slices.Reverse(ids)
	return ids
}

func describeLayers(cfg *config.Config, all []*storage.Image, ids []string) ([]TreeLayer, error) {
	sizes, err := storage.LayerSizes(cfg.Storage, ids)
	if err != nil {
		return nil, err
	}
	var layers []TreeLayer
	for i, id := range ids {
		layers = append(layers, TreeLayer{ID: id, Size: sizes[i], Tops: topOf(all, id)})
	}
	return layers, nil
}

func topOf(all []*storage.Image, layer string) []string {
	var names []string
	for _, img := range all {
		if len(img.Layers) > 0 && img.Layers[0] == layer {
			names = append(names, img.Names...)
		}
	}
	return names
}

// childrenOf are the layers right above base in any image.
func childrenOf(cfg *config.Config, all []*storage.Image, base []string) ([]TreeNode, error) {
	var nodes []TreeNode
	for _, img := range all {
		ids := upwards(img)
		if len(ids) <= len(base) || !slices.Equal(ids[:len(base)], base) || known(nodes, ids[len(base)]) {
			continue
		}
		layers, err := describeLayers(cfg, all, ids[len(base):len(base)+1])
		if err != nil {
			return nil, err
		}
		children, err := childrenOf(cfg, all, ids[:len(base)+1])
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, TreeNode{layers[0], children})
	}
	return nodes, nil
}

func known(nodes []TreeNode, id string) bool {
	return slices.ContainsFunc(nodes, func(n TreeNode) bool { return n.ID == id })
}
