package storage

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// instancesKey marks a manifest list: an image record without layers and configuration, as Podman and Buildah keep it.
const instancesKey = "instances.json"

// Platform is what a manifest list says that an image is for. Empty fields match any.
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
}

// String is the platform as in linux/arm64/v8.
func (p Platform) String() string {
	return strings.Trim(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
}

// Matches says whether an image of this platform is one of the wanted.
func (p Platform) Matches(want Platform) bool {
	same := func(have, want string) bool { return want == "" || have == want }
	return same(p.OS, want.OS) && same(p.Architecture, want.Architecture) && same(p.variant(), want.variant())
}

// variant is the variant, but for the one that every arm64 is: some write it, as in arm64/v8, and some do not.
func (p Platform) variant() string {
	if p.Architecture == "arm64" && p.Variant == "v8" {
		return ""
	}
	return p.Variant
}

// manifestList is what readers need of an OCI image index, or of Docker's manifest list.
type manifestList struct {
	Manifests []struct {
		Digest   string   `json:"digest"`
		Platform Platform `json:"platform"`
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

// here is this machine's platform.
func here() Platform { return Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH} }

// instance is the image that a list has for a platform; of what is no list, it is that itself.
func instance(all []*home, at int, r *imageRecord, want Platform) (int, *imageRecord, error) {
	if !r.isList() {
		return at, r, nil
	}
	l, err := all[at].manifestList(r)
	if err != nil {
		return 0, nil, err
	}
	for _, m := range l.Manifests {
		if !m.Platform.Matches(want) {
			continue
		}
		if at, one := withDigest(all, m.Digest); one != nil {
			return at, one, nil
		}
		return 0, nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot find the image of manifest list %s for %s: %s is not in the local store", names.Short(r.ID), want, m.Digest)
	}
	return 0, nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot find an image for %s in manifest list %s", want, names.Short(r.ID))
}

// withDigest is the image whose manifest has a digest; nil where there is none.
func withDigest(all []*home, d string) (int, *imageRecord) {
	for at, h := range all {
		for i := range h.images {
			if one := &h.images[i]; !one.isList() && slices.Contains(one.digests(), d) {
				return at, one
			}
		}
	}
	return 0, nil
}

// Instance is the id of the image that a local list has for a platform; of an image, it is that image's.
func Instance(cfg *config.Config, name string, want Platform) (string, error) {
	list, err := loadHomes(cfg.Storage)
	if err != nil {
		return "", err
	}
	at, r, err := (&cached{}).find(cfg, list, name)
	if err != nil {
		return "", err
	}
	if _, r, err = instance(list, at, r, want); err != nil {
		return "", err
	}
	return r.ID, nil
}

// Listed is one of the images of a manifest list.
type Listed struct {
	Platform Platform
	Digest   string // of its manifest
	ID       string // of the image; "" where it is not in the store
}

// ListedIn are the images that the manifest list with this full id names.
func ListedIn(s config.Storage, id string) ([]Listed, error) {
	all, err := loadHomes(s)
	if err != nil {
		return nil, err
	}
	at, r, err := only(all, id, func(r *imageRecord) bool { return r.ID == id })
	if err != nil || !r.isList() {
		return nil, err
	}
	l, err := all[at].manifestList(r)
	if err != nil {
		return nil, err
	}
	var listed []Listed
	for _, m := range l.Manifests {
		one := Listed{Platform: m.Platform, Digest: m.Digest}
		if _, r := withDigest(all, m.Digest); r != nil {
			one.ID = r.ID
		}
		listed = append(listed, one)
	}
	return listed, nil
}

func loadHomes(s config.Storage) ([]*home, error) {
	all := homes(s)
	for _, h := range all {
		if err := h.load(); err != nil {
			return nil, err
		}
	}
	return all, nil
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
