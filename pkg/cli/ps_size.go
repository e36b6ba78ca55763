package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/go-units"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/state"
)

// psSize is Podman's JSON object of a container's size, in bytes.
type psSize struct {
	RootFsSize int64 `json:"rootFsSize"`
	RwSize     int64 `json:"rwSize"`
}

// measures says whether what is asked for takes a look at all files of containers.
func (o *psOptions) measures() bool {
	return o.size || o.sort == "size" || strings.Contains(o.Format, ".Size")
}

// layerSize is the size as Docker and Podman word it, "" where it cannot be told: the container may just go away.
func layerSize(engine *libpod.Engine, c *state.Container) string {
	own, all, err := engine.Size(c)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s (virtual %s)", units.HumanSizeWithPrecision(float64(own), 3), units.HumanSizeWithPrecision(float64(all), 3))
}

func psSizedJSON(c *state.Container, engine *libpod.Engine) any {
	e := psJSON(c, engine.NetworkNames(c.Spec))
	if own, all, err := engine.Size(c); err == nil {
		e.Size = &psSize{RootFsSize: all, RwSize: own}
	}
	return e
}

// sortBySize puts those first whose own layers are the smallest.
func sortBySize(engine *libpod.Engine, shown []*state.Container) error {
	sizes := map[*state.Container]int64{}
	for _, c := range shown {
		own, _, err := engine.Size(c)
		if err != nil {
			return err
		}
		sizes[c] = own
	}
	slices.SortStableFunc(shown, func(a, b *state.Container) int { return cmp.Compare(sizes[a], sizes[b]) })
	return nil
}
