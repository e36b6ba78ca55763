package export

import (
	"errors"
	"maps"
	"slices"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Annotation is one that an output gives.
type Annotation struct {
	exptypes.AnnotationKey
	Value string
}

// OfList says that the list of images is annotated.
func (a *Annotation) OfList() bool { return a.Type == exptypes.AnnotationIndex }

// ErrDescriptor is of annotations that there is no place for.
var ErrDescriptor = errors.New("manifests are annotated, and the index that lists them, but no descriptors")

// annotate reads annotation.KEY, annotation-manifest.KEY, both also for one platform in brackets, and annotation-index.KEY.
func (o *Output) annotate(name, value string) error {
	key, ok, err := exptypes.ParseAnnotationKey(name)
	switch {
	case err != nil:
		return err
	case !ok:
		return errdefs.Errorf(errdefs.ErrInvalid, "%s is not known", name)
	case key.Type != exptypes.AnnotationManifest && key.Type != exptypes.AnnotationIndex:
		return ErrDescriptor
	}
	o.Annotations = append(o.Annotations, Annotation{key, value})
	return nil
}

// AnnotatesList says whether an annotation of the list is among them.
func (o *Output) AnnotatesList() bool {
	return slices.ContainsFunc(o.Annotations, func(a Annotation) bool { return a.OfList() })
}

// annotated adds to the annotations of the manifest for a platform, nil for the list, those of the output.
func (o *Output) annotated(before map[string]string, p *v1.Platform) map[string]string {
	all := map[string]string{}
	maps.Copy(all, before)
	for _, a := range o.Annotations {
		if a.OfList() == (p == nil) && (a.Platform == nil || platforms.Format(*a.Platform) == platforms.Format(*p)) {
			all[a.Key] = a.Value
		}
	}
	return all
}
