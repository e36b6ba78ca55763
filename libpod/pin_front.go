//go:build moss_front

package libpod

import (
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
)

// pin is asked only for images that are pinned: the front program hands the others over before.
func (e *Engine) pin(_ Context, imageID string) error {
	if storage.Pinned(e.Config.Storage, imageID) {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrConflict, "cannot use image %s: it is being removed; try again", shortID(imageID))
}
