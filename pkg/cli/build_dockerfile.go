//go:build !moss_front

package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

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
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return o.followed(dir, file)
		}
	}
	if o.file != "" {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot find the Dockerfile %s: it is neither here nor in the build context", o.file)
	}
	return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot find a Containerfile or a Dockerfile in %s: name one with --file", dir)
}

// followed is where a Dockerfile that is a link leads to: anywhere, where the user named it, and else below the context.
func (o *buildOptions) followed(dir, file string) (string, error) {
	target, err := filepath.EvalSymlinks(file)
	if err != nil || o.file != "" {
		return target, err
	}
	top, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer top.Close()
	if _, err := top.Stat(filepath.Base(file)); err != nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s: it is a link that leads out of the build context; name %s with --file if that is meant", file, target)
	}
	return file, nil
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
