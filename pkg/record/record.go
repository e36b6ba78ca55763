// Package record says which of the records of containers, volumes and networks this moss understands. Several versions of Moss may use one store, in turns or at
// the same time. What an older one does not know it passes over, and it may lose it when it writes the record anew; where that would be wrong, the record says so.
package record

import (
	"encoding/json"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Format is the newest format that this moss understands. A record says which one it takes to understand it, as "format"; one that says nothing has the first.
// Whoever adds something that must not be passed over (what a container may not do, where its files are, a status) adds one here, and has those records alone say so
// that have it. What a container's image, mounts and networks are must stay readable in every format: an older moss keeps those that somebody uses.
const Format = 1

// Check is ErrNewer for a record of a format that only a newer moss understands.
func Check(format int) error {
	if format <= Format {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrNewer, "it was written by a newer moss, in format %d, and this one understands up to %d: use the newer one", format, Format)
}

// Explain is why a record could not be parsed, where parsing it says err: perhaps only a newer moss can.
func Explain(data []byte, err error) error {
	var said struct {
		Format int `json:"format"`
	}
	if json.Unmarshal(data, &said) != nil {
		return err
	}
	if newer := Check(said.Format); newer != nil {
		return newer
	}
	return err
}
