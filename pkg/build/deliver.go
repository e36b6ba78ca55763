package build

import (
	"io"

	"github.com/mosscontainers/moss/storage/image"
)

// Images is the opened store.
func (b *Builder) Images() (*image.Images, error) { return b.images() }

// Files opens what was built for reading, until it is closed. It is not to be written to.
func (b *Builder) Files(built Built) (dir string, _ io.Closer, err error) {
	r, err := b.open(result{layers: built.layers})
	if err != nil {
		return "", nil, err
	}
	return r.Root, r, nil
}
