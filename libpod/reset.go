//go:build !moss_front

package libpod

import (
	"errors"
	"fmt"

	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage/store"
)

// Reset removes every container, volume and image of this store, those of Podman and Buildah too.
func (e *Engine) Reset(ctx Context) error {
	ids, err := e.Store.IDs()
	if err != nil {
		return err
	}
	errs := []error{e.endStrays(ctx)}
	now := uint(0)
	for _, id := range ids {
		errs = append(errs, e.Remove(ctx, id, RemoveOptions{Force: true, Volumes: true, Timeout: &now}))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	store, err := store.Open(ctx, e.Config.Storage)
	if err != nil {
		return err
	}
	if err := errors.Join(store.Reset(), store.Close()); err != nil {
		return err
	}
	for _, dir := range []string{e.Store.Dir, e.runDir("")} {
		if err := sys.RemoveAll(dir); err != nil {
			return fmt.Errorf("cannot remove %s: %w", dir, err)
		}
	}
	return nil
}
