package storage

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// instancesKey marks a manifest list: an image record without layers and configuration, as Podman and Buildah keep it.
const instancesKey = "instances.json"

// manifestList is what readers need of an OCI image index, or of Docker's manifest list.
type manifestList struct {
	Manifests []struct {
		Digest   string `json:"digest"`
		Platform struct {
			OS           string `json:"os"`
			Architecture string `json:"architecture"`
		} `json:"platform"`
	} `json:"manifests"`
}

func (r *imageRecord) isList() bool { return slices.Contains(r.BigDataNames, instancesKey) }

func (h *home) manifestList(r *imageRecord) (*manifestList, error) {
	path := filepath.Join(h.root, "overlay-images", r.ID, "manifest")
	if _, err := os.Stat(path); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot read manifest list %s: %w", names.Short(r.ID), err)
	}
	l := &manifestList{}
	return l, readJSON(path, l)
}

// instance is the image that a list has for this machine; of what is no list, it is that itself.
func instance(all []*home, at int, r *imageRecord) (int, *imageRecord, error) {
	if !r.isList() {
		return at, r, nil
	}
	l, err := all[at].manifestList(r)
	if err != nil {
		return 0, nil, err
	}
	for _, m := range l.Manifests {
		if m.Platform.OS != runtime.GOOS || m.Platform.Architecture != runtime.GOARCH {
			continue
		}
		for at, h := range all {
			for i := range h.images {
				if one := &h.images[i]; !one.isList() && slices.Contains(one.digests(), m.Digest) {
					return at, one, nil
				}
			}
		}
		return 0, nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot find the image of manifest list %s for %s/%s: %s is not in the local store", names.Short(r.ID), runtime.GOOS, runtime.GOARCH, m.Digest)
	}
	return 0, nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot find an image for %s/%s in manifest list %s", runtime.GOOS, runtime.GOARCH, names.Short(r.ID))
}

// listed are the digests of the manifests that lists name.
func listed(all []*home) map[string]bool {
	digests := map[string]bool{}
	for _, h := range all {
		for i := range h.images {
			if !h.images[i].isList() {
				continue
			}
			l, err := h.manifestList(&h.images[i])
			if err != nil {
				continue // a damaged list names nothing
			}
			for _, m := range l.Manifests {
				digests[m.Digest] = true
			}
		}
	}
	return digests
}
