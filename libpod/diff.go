//go:build !moss_front

package libpod

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/storage/image"
)

// ContainerLayers are the layers of a container's files, its own before those of its image.
func (e *Engine) ContainerLayers(ref string) (all, below image.Layers, err error) {
	c, err := e.Whole(ref)
	if err != nil {
		return nil, nil, err
	}
	if c.Spec.Image.Rootfs != "" {
		return nil, nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot tell what container %s changed: it runs in the directory %s, which has no earlier state", c.Spec.Name, c.Spec.Image.Rootfs)
	}
	below, err = image.ImageLayers(e.Config, c.Spec.Image.ID)
	return append(image.Layers{filepath.Join(c.Dir, upperDir)}, below...), below, err
}

// WithoutMountPoints leaves out what Moss itself makes in containers to mount something there.
func WithoutMountPoints(changes []image.Change) []image.Change {
	return slices.DeleteFunc(changes, func(c image.Change) bool {
		return slices.ContainsFunc(mountPoints(&spec.Container{}), func(place string) bool {
			return c.Path == "/"+place || strings.HasPrefix(c.Path, "/"+place+"/")
		})
	})
}
