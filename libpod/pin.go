//go:build !moss_front

package libpod

import "github.com/mosscontainers/moss/storage/store"

// pin keeps other tools from removing the image below a container.
func (e *Engine) pin(ctx Context, imageID string) error { return store.Pin(ctx, e.Config, imageID) }
