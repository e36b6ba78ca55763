package export

import (
	"github.com/moby/buildkit/util/purl"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// PackageURL names an image as package URLs do; a name that is none stays as it is.
func PackageURL(name string, p *v1.Platform) string {
	url, err := purl.RefToPURL("docker", name, p)
	if err != nil {
		return name
	}
	return url
}
