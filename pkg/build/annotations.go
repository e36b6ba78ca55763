package build

import (
	"maps"
	"time"

	"github.com/containerd/platforms"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// annotations are those of an image's manifest.
func (b *Builder) annotations(built *Built, created time.Time, o ImageOptions) (map[string]string, error) {
	all := map[string]string{}
	if o.InheritAnnotations {
		below, err := b.annotationsBelow(built.layers)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, below)
		for _, name := range o.UnsetAnnotations {
			delete(all, name)
		}
	}
	if o.CreatedAnnotation {
		all[v1.AnnotationCreated] = created.UTC().Format(time.RFC3339)
	}
	maps.Copy(all, o.Annotations)
	maps.Copy(all, o.PlatformAnnotations[platforms.Format(built.Platform)])
	return all, nil
}

// annotationsBelow are those of the image with most of the layers.
func (b *Builder) annotationsBelow(layers snapshot) (map[string]string, error) {
	var best *base
	b.bases.mu.Lock()
	for _, one := range b.bases.list {
		n := len(one.layers)
		if n <= len(layers) && one.layers.top() == layers[:n].top() && (best == nil || n > len(best.layers)) {
			best = one
		}
	}
	b.bases.mu.Unlock()
	if best == nil || len(best.layers) == 0 {
		return nil, nil
	}
	images, err := b.images()
	if err != nil {
		return nil, err
	}
	return images.Annotations(best.id)
}
