package storage

import (
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// insteadOf are the transports of Podman and Skopeo that are not there, and what to do. Without this they were taken for names of images.
func insteadOf(transport string) string {
	switch transport {
	case "docker-daemon":
		return "images go between Docker and here by `docker save IMAGE | moss load` and `moss save IMAGE | docker load`"
	case "tarball":
		return "`moss import FILE` makes an image of an archive"
	case "ostree", "sif", "atomic":
		return "write it with another program as an oci-archive, and `moss load` that"
	}
	return ""
}

// Unsupported is an error, of a kind, if name begins with a transport that is not there, and else nil.
func Unsupported(kind error, name string) error {
	transport, _, _ := strings.Cut(name, ":")
	instead := insteadOf(transport)
	if instead == "" || transport == name {
		return nil
	}
	return errdefs.Errorf(kind, "cannot use %s: the transport %s is not supported; %s", name, transport, instead)
}

func notFound(name string) error {
	if err := Unsupported(errdefs.ErrNotFound, name); err != nil {
		return err
	}
	return errdefs.Errorf(errdefs.ErrNotFound, "cannot find image %s: it is not in the local store; pull it first, or see `moss images` for what there is", name)
}
