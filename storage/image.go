package storage

import (
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// Image is a local image and what is needed to run it.
type Image struct {
	ID           string           `json:"id"` // 64 hexadecimal digits
	Names        []string         `json:"names,omitempty"`
	Digests      []string         `json:"digests,omitempty"` // of its manifests: "sha256:…"
	Created      time.Time        `json:"created"`
	Size         int64            `json:"size"` // bytes, unpacked
	OS           string           `json:"os,omitempty"`
	Architecture string           `json:"architecture,omitempty"`
	Variant      string           `json:"variant,omitempty"` // of the architecture
	Config       spec.ImageConfig `json:"config"`
	Layers       []string         `json:"layers,omitempty"` // ids of containers/storage, topmost first

	// Home is the directory to mount(2) from: the paths of Lower are relative to it.
	Home string `json:"home"`
	// Lower are the lower directories for overlayfs, topmost first: "l/SHORT", or an absolute path for
	// a layer that another store keeps. It is empty for an image without layers.
	Lower []string `json:"lower,omitempty"`
}

// Platform is what the image says that it is for.
func (i *Image) Platform() Platform {
	return Platform{OS: i.OS, Architecture: i.Architecture, Variant: i.Variant}
}

// configFile is an image's configuration without history and rootfs.
type configFile struct {
	Created      *time.Time       `json:"created"`
	OS           string           `json:"os"`
	Architecture string           `json:"architecture"`
	Variant      string           `json:"variant"`
	Config       spec.ImageConfig `json:"config"`
}

// complete makes an Image of a record that was found in list[at].
func complete(list []*home, at int, r *imageRecord) (*Image, error) {
	raw, err := list[at].config(r)
	if err != nil {
		return nil, err
	}
	var file configFile
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot use image %s: its configuration is damaged: %w", names.Short(r.ID), err)
	}
	img := &Image{
		ID: r.ID, Names: r.Names, Digests: r.digests(), Created: r.Created, Home: list[at].overlay(),
		OS: file.OS, Architecture: file.Architecture, Variant: file.Variant, Config: file.Config,
	}
	if file.Created != nil {
		img.Created = *file.Created
	}
	chain, err := layerChain(list, r.TopLayer)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot use image %s: %w; remove the image and pull it again", names.Short(r.ID), err)
	}
	for _, l := range chain {
		img.Layers = append(img.Layers, l.ID)
		link, err := l.lowerDir(img.Home)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot use image %s: %w; remove the image and pull it again", names.Short(r.ID), err)
		}
		img.Lower = append(img.Lower, link)
	}
	img.Size = r.dataSize() + size(chain)
	return img, nil
}

func (r *imageRecord) dataSize() int64 {
	var sum int64
	for _, n := range r.BigDataSizes {
		sum += n
	}
	return sum
}

// chainLink is a layer and the store that keeps it.
type chainLink struct {
	layerRecord
	home *home
}

func size(chain []chainLink) int64 {
	var sum int64
	for _, l := range chain {
		sum += max(l.UncompressedSize, 0)
	}
	return sum
}

// layerChain follows the parents of a layer, topmost first.
func layerChain(list []*home, top string) ([]chainLink, error) {
	var chain []chainLink
	for id := top; id != ""; {
		link, err := findLayer(list, id)
		if err != nil {
			return nil, err
		}
		chain = append(chain, link)
		if len(chain) > maxLayers {
			return nil, errdefs.Errorf(errdefs.ErrDamaged, "more than %d layers", maxLayers)
		}
		id = link.Parent
	}
	return chain, nil
}

// maxLayers is overlayfs's own limit (OVL_MAX_STACK in fs/overlayfs/super.c); it also ends a loop in
// a damaged file.
const maxLayers = 500

func findLayer(list []*home, id string) (chainLink, error) {
	for _, h := range list {
		if err := h.loadLayers(); err != nil {
			return chainLink{}, err
		}
		if l, ok := h.layers[id]; ok && IsID(id) && !l.Flags.Incomplete {
			return chainLink{l, h}, nil
		}
	}
	return chainLink{}, errdefs.Errorf(errdefs.ErrDamaged, "its layer %.12s is not in the store", id)
}

// lowerDir is the short link of a layer, relative to base where the layer is in the same store, and
// checks that the layer's directory is there.
func (l chainLink) lowerDir(base string) (string, error) {
	link, err := readLink(filepath.Join(l.home.overlay(), l.ID, "link"))
	if err != nil {
		return "", err
	}
	if err := checkDir(filepath.Join(l.home.overlay(), l.ID, "diff")); err != nil {
		return "", err
	}
	if l.home.overlay() == base {
		return "l/" + link, nil
	}
	return filepath.Join(l.home.overlay(), "l", link), nil
}
