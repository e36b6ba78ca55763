package image

import (
	"slices"
	"strings"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
)

// Kind is what happened to a path.
type Kind byte

// The kinds of change, as docker and podman print them.
const (
	Added   Kind = 'A'
	Changed Kind = 'C'
	Deleted Kind = 'D'
)

// Change is a path that is not as it was.
type Change struct {
	Kind Kind
	Path string // absolute, in the image
}

// Layers are directories of layers, topmost first.
type Layers []string

// ImageLayers are those of a local image.
func ImageLayers(cfg *config.Config, name string) (Layers, error) {
	img, err := storage.Resolve(cfg, name)
	if err != nil {
		return nil, err
	}
	return layerDirs(img), nil
}

// TopLayer splits an image into all of it and what its topmost layer was put upon.
func TopLayer(cfg *config.Config, name string) (all, below Layers, err error) {
	all, err = ImageLayers(cfg, name)
	if err == nil && len(all) > 0 {
		below = all[1:]
	}
	return all, below, err
}

// Diff lists how the files of layers differ from those of layers before, sorted by path. Directories in which something changed
// are changed too; of what was removed only the topmost directory is listed. It needs the user namespace.
func Diff(before, after Layers) ([]Change, error) {
	old, err := readTree(before)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot compare: %w", err)
	}
	now, err := readTree(after)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot compare: %w", err)
	}
	return compare(old, now), nil
}

func compare(old, now fileTree) []Change {
	kinds := map[string]Kind{}
	for name, info := range now {
		switch was := old[name]; {
		case was == nil:
			kinds[name] = Added
		case !sameFile(was, info):
			kinds[name] = Changed
		}
	}
	for name := range old {
		if now[name] == nil && !now.gone(name) {
			kinds[name] = Deleted
		}
	}
	changed := []string{}
	for name := range kinds {
		changed = append(changed, name)
	}
	for _, name := range changed {
		markParents(kinds, name)
	}
	return sorted(kinds)
}

// markParents says of the directories above a change that they changed.
func markParents(kinds map[string]Kind, name string) {
	for at := strings.LastIndexByte(name, '/'); at > 0; at = strings.LastIndexByte(name[:at], '/') {
		if _, known := kinds[name[:at]]; known {
			return
		}
		kinds[name[:at]] = Changed
	}
}

func sorted(kinds map[string]Kind) []Change {
	changes := make([]Change, 0, len(kinds))
	for name, kind := range kinds {
		changes = append(changes, Change{kind, "/" + name})
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return changes
}
