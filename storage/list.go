package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Summary is one line of `moss images`.
type Summary struct {
	ID       string    // 64 hexadecimal digits
	Names    []string  // NAME:TAG or NAME@DIGEST
	History  []string  // names that it has or has had
	Digests  []string  // of its manifests
	Created  time.Time // from the image's configuration
	Size     int64     // bytes, unpacked, shared layers included
	ReadOnly bool      // in one of storage.conf's additionalimagestores
	Layers   []string  // topmost first
	List     bool      // a manifest list
	Listed   bool      // one of the images of a manifest list
	// Damaged says why the image cannot be used; it is nil for a good one.
	Damaged error
}

// RepoDigests are NAME@DIGEST for each repository of an image and each of its manifests.
func RepoDigests(names, digests []string) []string {
	list := []string{}
	for _, name := range names {
		for _, d := range digests {
			if full := Repository(name) + "@" + d; !slices.Contains(list, full) {
				list = append(list, full)
			}
		}
	}
	return list
}

// ListImages reads all images, in the order in which they were made, without a lock and without
// opening the store. A damaged image is listed as such and hides no other.
func ListImages(s config.Storage) ([]Summary, error) {
	if err := runnable(s); err != nil {
		return nil, err
	}
	list := homes(s)
	seen := map[string]bool{}
	var all []Summary
	for _, h := range list {
		if err := h.load(); err != nil {
			return nil, err
		}
		for i := range h.images {
			if r := &h.images[i]; !seen[r.ID] {
				seen[r.ID] = true
				all = append(all, summarize(list, h, r))
			}
		}
	}
	digests := listed(list)
	for i := range all {
		all[i].Listed = slices.ContainsFunc(all[i].Digests, func(d string) bool { return digests[d] })
	}
	return all, nil
}

func summarize(list []*home, h *home, r *imageRecord) Summary {
	s := Summary{ID: r.ID, Names: r.Names, History: r.NamesHistory, Digests: r.digests(), Created: r.Created, ReadOnly: h.readOnly, List: r.isList()}
	chain, err := layerChain(list, r.TopLayer)
	if err != nil {
		s.Damaged = errdefs.Errorf(errdefs.ErrDamaged, "cannot use image %s: %w; remove the image and pull it again", names.Short(r.ID), err)
	}
	for _, l := range chain {
		s.Layers = append(s.Layers, l.ID)
	}
	s.Size = r.dataSize() + size(chain)
	return s
}

// ReadConfig is the raw configuration (JSON) of the image with this full id.
func ReadConfig(s config.Storage, id string) ([]byte, error) {
	h, r, err := findRecord(s, id)
	if err != nil {
		return nil, err
	}
	return h.config(r)
}

// ReadManifest reads the manifest of an image, by its full id, and the names that the image has or has had. An image without a manifest has nil.
func ReadManifest(s config.Storage, id string) (manifest []byte, history []string, err error) {
	h, r, err := findRecord(s, id)
	if err != nil {
		return nil, nil, err
	}
	manifest, err = os.ReadFile(filepath.Join(h.root, "overlay-images", r.ID, "manifest"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return manifest, r.NamesHistory, err
}

func findRecord(s config.Storage, id string) (*home, *imageRecord, error) {
	if err := runnable(s); err != nil {
		return nil, nil, err
	}
	for _, h := range homes(s) {
		if err := h.load(); err != nil {
			return nil, nil, err
		}
		for i := range h.images {
			if h.images[i].ID == id {
				return h, &h.images[i], nil
			}
		}
	}
	return nil, nil, notFound(id)
}
