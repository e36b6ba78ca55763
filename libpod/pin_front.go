//go:build moss_front

package libpod

import (
	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
)

// pin finds an image pinned: the front program hands the others over before. One that is unpinned just now is
// ErrUnpinned.
func (e *Engine) pin(_ Context, imageID string) error {
	if storage.Pinned(e.Config.Storage, imageID) {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrConflict, "cannot use image %s: %w", names.Short(imageID), ErrUnpinned)
}
