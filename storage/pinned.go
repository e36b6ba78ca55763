package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Containers of Moss are not containers of containers/storage, so that Podman, Buildah and Skopeo
// would remove the image below one. A pin is one container of containers/storage per image, named
// moss-<first 12 digits of the image's id>, which keeps them from it (package store makes them).
// GraphRoot/moss/pins/<image id> is a symbolic link to the pin's layer: where it leads somewhere, the pin exists.

// Pinned says whether the image has a pin. It costs one stat.
func Pinned(s config.Storage, imageID string) bool {
	if !IsID(imageID) {
		return false
	}
	_, err := os.Stat(PinLink(s, imageID))
	return err == nil
}

// PinnedImages are the ids of the images that have, or had, a pin.
func PinnedImages(s config.Storage) ([]string, error) {
	entries, err := os.ReadDir(PinDir(s))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot read which images are in use: %w", err)
	}
	var ids []string
	for _, entry := range entries {
		if IsID(entry.Name()) {
			ids = append(ids, entry.Name())
		}
	}
	return ids, nil
}

// PinLink is where the pin of an image is recorded.
func PinLink(s config.Storage, imageID string) string { return filepath.Join(PinDir(s), imageID) }

// PinDir is where pins are recorded.
func PinDir(s config.Storage) string { return filepath.Join(s.GraphRoot, "moss", "pins") }

// CacheDir is where Resolve keeps its answers.
func CacheDir(s config.Storage) string { return filepath.Join(s.GraphRoot, "moss", "cache") }
