//go:build !moss_front

package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// findDockerfile is the file that was named, here or in the context, or one of those that need no naming.
func (o *buildOptions) findDockerfile(dir string) (string, error) {
	candidates := []string{filepath.Join(dir, "Containerfile"), filepath.Join(dir, "Dockerfile"), filepath.Join(dir, "dockerfile")}
	if o.file != "" {
		here, err := filepath.Abs(o.file)
		if err != nil {
			return "", err
		}
		candidates = []string{here, filepath.Join(dir, o.file)}
	}
	for _, file := range candidates {
		if info, err := os.Stat(file); err == nil && (info.Mode().IsRegular() || o.file != "" && isDescriptor(file) && !info.IsDir()) {
			return file, o.checkLink(dir, file)
		}
	}
	if o.file != "" {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot find the Dockerfile %s: it is neither here nor in the build context", o.file)
	}
	return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot find a Containerfile or a Dockerfile in %s: name one with --file", dir)
}

// isDescriptor says whether a path is of a file that is open already: the standard input, or what a shell makes of <(COMMAND). Another pipe
// may have nobody who writes to it.
func isDescriptor(path string) bool {
	return path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/self/fd/")
}

// checkLink fails for a Dockerfile that is a link to somewhere outside of the context, unless the user named it.
func (o *buildOptions) checkLink(dir, file string) error {
	if o.file != "" || !isLink(file) {
		return nil
	}
	top, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer top.Close()
	if _, err := top.Stat(filepath.Base(file)); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s: it is a link that leads out of the build context; name it with --file if that is meant", file)
	}
	return nil
}

func isLink(file string) bool {
	info, err := os.Lstat(file)
	return err == nil && info.Mode().Type() == fs.ModeSymlink
}

// checkPatterns fails for a file of patterns that the front end would not find, and say nothing: what it is to keep out would
// be in the build context.
func checkPatterns(dir, name string) error {
	top, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer top.Close()
	if _, err := top.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	info, err := top.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a file")
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s: %w; without it, the build would see what it keeps out", filepath.Join(dir, name), err)
	}
	return nil
}
