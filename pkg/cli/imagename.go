package cli

import (
	"os"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
)

// imageName is the full name by which an image was asked for; its id when it was asked for by that.
func imageName(img *storage.Image, asked string) string {
	for _, name := range img.Names {
		if name == asked || strings.HasSuffix(name, "/"+asked) || strings.HasSuffix(name, "/"+asked+":latest") || name == asked+":latest" {
			return name
		}
	}
	if len(img.Names) > 0 && !strings.HasPrefix(img.ID, asked) {
		return img.Names[0]
	}
	return asked
}

func writeIDFile(path, id string) error {
	if path == "" {
		return nil
	}
	if err := os.WriteFile(path, []byte(id), 0o644); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot write the id: %w", err)
	}
	return nil
}
