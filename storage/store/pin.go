package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	lib "go.podman.io/storage"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage"
)

// Pin makes the pin of an image, opening the store only where there is none yet.
func Pin(ctx context.Context, cfg *config.Config, imageID string) error {
	if storage.Pinned(cfg.Storage, imageID) {
		return nil
	}
	store, err := Open(ctx, cfg.Storage)
	if err != nil {
		return err
	}
	return errors.Join(store.Pin(imageID), store.Close())
}

// Unpin removes the pin of an image, if there is one.
func Unpin(ctx context.Context, cfg *config.Config, imageID string) error {
	if _, err := os.Lstat(storage.PinLink(cfg.Storage, imageID)); !storage.IsID(imageID) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	store, err := Open(ctx, cfg.Storage)
	if err != nil {
		return err
	}
	return errors.Join(store.Unpin(imageID), store.Close())
}

// Pin makes the pin of an image. Pinning twice is harmless.
func (s *Store) Pin(imageID string) error {
	if storage.Pinned(s.cfg, imageID) {
		return nil
	}
	if !storage.IsID(imageID) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot pin image %q: not an id", imageID)
	}
	container, err := s.pinContainer(imageID)
	if errors.Is(err, lib.ErrImageUnknown) {
		return errdefs.Errorf(errdefs.ErrNotFound, "cannot use image %s: it was removed meanwhile", names.Short(imageID))
	}
	if err != nil {
		return errdefs.NoSpace(errdefs.Errorf(errdefs.ErrUnavailable, "cannot keep image %s from being removed: %w", names.Short(imageID), err))
	}
	return linkPin(storage.PinLink(s.cfg, imageID), filepath.Join(s.cfg.GraphRoot, "overlay", container.LayerID))
}

func (s *Store) pinContainer(imageID string) (*lib.Container, error) {
	id, name := pinID(imageID), PinName(imageID)
	options := &lib.ContainerOptions{Metadata: `{"pin":"moss"}`}
	container, err := s.store.CreateContainer(id, []string{name}, imageID, "", options.Metadata, options)
	if errors.Is(err, lib.ErrDuplicateID) || errors.Is(err, lib.ErrDuplicateName) {
		return s.store.Container(id)
	}
	return container, err
}

func linkPin(link, target string) error {
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		return fmt.Errorf("cannot record a pin: %w", err)
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot record a pin: %w", err)
	}
	if err := os.Symlink(target, link); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot record a pin: %w", err)
	}
	return nil
}

// Unpin removes the pin of an image, if there is one.
func (s *Store) Unpin(imageID string) error {
	if !storage.IsID(imageID) {
		return nil
	}
	err := s.store.DeleteContainer(pinID(imageID))
	if err != nil && !errors.Is(err, lib.ErrContainerUnknown) && !errors.Is(err, lib.ErrNotAContainer) {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot remove the pin of image %s: %w", names.Short(imageID), err)
	}
	return removeAll(storage.PinLink(s.cfg, imageID))
}

// pinID is the same for every process that pins the image, so that only one of them makes the pin.
func pinID(imageID string) string {
	sum := sha256.Sum256([]byte("moss pin " + imageID))
	return hex.EncodeToString(sum[:])
}

// PinName is the name that other tools show for an image's pin.
func PinName(imageID string) string { return "moss-" + names.Short(imageID) }

// IsPin says whether a container of containers/storage is a pin.
func IsPin(c *lib.Container) bool { return c.ID == pinID(c.ImageID) }

func removeAll(paths ...string) error {
	for _, path := range paths {
		if err := sys.RemoveAll(path); err != nil {
			return fmt.Errorf("cannot clean up: %w", err)
		}
	}
	return nil
}
