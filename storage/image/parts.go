package image

import (
	"fmt"
	"strings"

	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// maxTable bounds what a layer that can be pulled in parts says of itself, in bytes: more than that the library does not take of its table of files.
// Of the second of these texts it asks for as much memory as the manifest says.
const maxTable = 150 << 20

// inParts says whether the library may take only those files of a layer that the store does not have.
func (im *Images) inParts(info types.BlobInfo) bool {
	if im.cfg.Storage.PullOptions["enable_partial_images"] != "true" {
		return false
	}
	for key := range info.Annotations {
		if strings.HasPrefix(key, "io.github.containers.zstd-chunked.") || strings.HasPrefix(key, "containerd.io/snapshot/stargz") {
			return true
		}
	}
	return false
}

// checkParts refuses layers that say of their tables of files that they are where the layer is not, or very large.
func (im *Images) checkParts(infos []types.BlobInfo) error {
	for _, info := range infos {
		for _, key := range []string{"manifest-position", "tarsplit-position"} {
			at := info.Annotations["io.github.containers.zstd-chunked."+key]
			if at != "" && im.inParts(info) && !insideBlob(at, info.Size) {
				return errdefs.Errorf(errdefs.ErrInvalid, "layer %s: its %s is %.60q, which cannot be", info.Digest, key, at)
			}
		}
	}
	return nil
}

// insideBlob reads OFFSET:LENGTH:UNCOMPRESSED.
func insideBlob(at string, size int64) bool {
	var offset, length, whole int64
	if _, err := fmt.Sscanf(at, "%d:%d:%d", &offset, &length, &whole); err != nil {
		return false
	}
	return offset >= 0 && length > 0 && length <= maxTable && offset <= size-length && whole >= 0
}
