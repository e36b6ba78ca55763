//go:build !moss_front

package cli

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// isURL tells what is to be fetched from a file here.
func isURL(file string) bool {
	return strings.HasPrefix(file, "http://") || strings.HasPrefix(file, "https://")
}

// joinDockerfiles makes one of several, as Podman does: the instructions of each follow those of the one before.
func (o *buildOptions) joinDockerfiles(ctx context.Context, app *App, b *build.Builder, dir string) error {
	if dir == "" {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use several Dockerfiles with the build context %s: name one", o.context)
	}
	var all []io.Reader
	for _, name := range o.files {
		f, err := o.openDockerfile(ctx, app, b, dir, name)
		if err != nil {
			return err
		}
		defer f.Close()
		all = append(all, f, strings.NewReader("\n"))
	}
	return o.takeDockerfile(b, dir, io.MultiReader(all...))
}

// openDockerfile opens one of several.
func (o *buildOptions) openDockerfile(ctx context.Context, app *App, b *build.Builder, dir, name string) (io.ReadCloser, error) {
	switch {
	case name == stdinName:
		return io.NopCloser(app.In), nil
	case isURL(name):
		return b.Download(ctx, name)
	}
	file, err := o.findDockerfile(dir, name)
	if err != nil {
		return nil, err
	}
	return os.Open(file)
}

// findDockerfile is the file that was named, here or in the context, or one of those that need no naming.
func (o *buildOptions) findDockerfile(dir, named string) (string, error) {
	candidates := []string{filepath.Join(dir, "Containerfile"), filepath.Join(dir, "Dockerfile"), filepath.Join(dir, "dockerfile")}
	if named != "" {
		here, err := filepath.Abs(named)
		if err != nil {
			return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot find the Dockerfile %s: %w", named, err)
		}
		candidates = []string{here, filepath.Join(dir, named)}
	}
	for _, file := range candidates {
		if info, err := os.Stat(file); err == nil && (info.Mode().IsRegular() || named != "" && isDescriptor(file) && !info.IsDir()) {
			return file, o.checkLink(dir, file)
		}
	}
	if named != "" {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot find the Dockerfile %s: it is neither here nor in the build context", named)
	}
	if o.context == stdinName {
		dir = "the archive"
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
	f, err := top.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return checkEach(filepath.Join(dir, name), f)
}

// checkEach fails for a pattern that is none, and says which file has it.
func checkEach(file string, from io.Reader) error {
	patterns, err := ignorefile.ReadAll(from)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s: %w", file, err)
	}
	for _, p := range patterns {
		if !utf8.ValidString(p) {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s: the pattern %q is not UTF-8, and so would match nothing", file, p)
		}
		m, err := patternmatcher.New([]string{p})
		if err == nil {
			_, err = m.MatchesOrParentMatches("x") // some are only found to be wrong when they are used
		}
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s: %q is no pattern: %w", file, p, err)
		}
	}
	return nil
}
