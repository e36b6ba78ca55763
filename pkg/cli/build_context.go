//go:build !moss_front

package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"github.com/moby/buildkit/util/archiveutil"

	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// stdinName is the standard input, as a context and as a Dockerfile.
const stdinName = "-"

// completeContext finds the context and the Dockerfile.
func (o *buildOptions) completeContext(ctx context.Context, app *App, b *build.Builder) error {
	readsFile := slices.Contains(o.files, stdinName)
	if o.step.stdin && (o.context == stdinName || readsFile) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot give the standard input to steps: the context or the Dockerfile is read from it")
	}
	if o.context == stdinName && readsFile {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot read both the context and the Dockerfile from the standard input: name a directory or a file")
	}
	if isRemote(o.context) {
		if err := checkRemote(o.context); err != nil {
			return err
		}
		o.FrontEnd["context"] = o.context
	}
	var err error
	dir := ""
	switch {
	case o.context == stdinName:
		dir, err = o.stdinContext(app, b)
	case !isRemote(o.context):
		dir, err = contextDir(o.context)
	}
	if err != nil {
		return err
	}
	if dir != "" {
		o.Locals["context"] = dir
	}
	return o.dockerfile(ctx, app, b, dir)
}

// isRemote tells an URL from a directory.
func isRemote(context string) bool {
	for _, prefix := range []string{"http://", "https://", "git://", "ssh://", "git@", "github.com/"} {
		if strings.HasPrefix(context, prefix) {
			return true
		}
	}
	return false
}

// checkRemote fails for what is neither of the two kinds of URLs that the front end knows.
func checkRemote(context string) error {
	if _, ok := strings.CutPrefix(context, "http"); ok {
		return nil
	}
	_, ok, err := dfgitutil.ParseGitRef(context)
	if ok && err == nil {
		return nil
	}
	if err == nil {
		err = errors.New("it is not an address of a git repository")
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the build context %s: %w", context, err)
}

func contextDir(path string) (string, error) {
	dir, err := filepath.Abs(path)
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot use the build context %s: %w", path, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot use the build context %s: %w", path, err)
	}
	if !info.IsDir() {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot use the build context %s: it is not a directory", path)
	}
	return dir, checkPatterns(dir, ".dockerignore")
}

// dockerfile finds the Dockerfile, in the context unless it is named.
func (o *buildOptions) dockerfile(ctx context.Context, app *App, b *build.Builder, dir string) error {
	if o.Locals["dockerfile"] != "" { // it was the standard input
		return nil
	}
	if len(o.files) > 1 {
		return o.joinDockerfiles(ctx, app, b, dir)
	}
	if o.file == stdinName {
		return o.takeDockerfile(b, dir, app.In)
	}
	if isURL(o.file) {
		f, err := b.Download(ctx, o.file)
		if err != nil {
			return err
		}
		return errors.Join(o.takeDockerfile(b, dir, f), f.Close())
	}
	if isRemote(o.context) {
		if o.from != "" {
			return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use --from with the build context %s: its Dockerfile is read when the build goes on; use --build-context IMAGE=docker-image://OTHER", o.context)
		}
		if o.file != "" {
			o.FrontEnd["filename"] = o.file
		}
		return nil
	}
	file, err := o.findDockerfile(dir, o.file)
	if err != nil {
		return err
	}
	if err := checkPatterns(filepath.Dir(file), filepath.Base(file)+".dockerignore"); err != nil {
		return err
	}
	if o.from != "" || o.ignores(dir, file) != "" || o.file != "" && isLink(file) {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		return errors.Join(o.takeDockerfile(b, dir, f), f.Close())
	}
	o.Locals["dockerfile"], o.FrontEnd["filename"] = filepath.Dir(file), filepath.Base(file)
	return nil
}

// ignores is a file with patterns of what is not in the context, unless it is one that the front end finds itself.
func (o *buildOptions) ignores(dir, dockerfile string) string {
	if o.ignoreFile != "" {
		return o.ignoreFile
	}
	candidates := []string{dockerfile + ".containerignore", filepath.Join(dir, ".containerignore")}
	if isLink(dockerfile) { // the front end is given what it leads to, and not what lies beside the link
		candidates = append([]string{dockerfile + ".dockerignore"}, candidates...)
	}
	for _, file := range candidates {
		if _, err := os.Stat(file); err == nil && dockerfile+".containerignore" != ".containerignore" {
			return file
		}
	}
	return ""
}

// takeDockerfile has the front end read a Dockerfile from a directory of this build.
func (o *buildOptions) takeDockerfile(b *build.Builder, dir string, from io.Reader) error {
	own, err := b.TempDir()
	if err != nil {
		return err
	}
	if o.from != "" {
		if from, err = replaceFrom(from, o.from); err != nil {
			return err
		}
	}
	if err := write(filepath.Join(own, "Dockerfile"), from); err != nil {
		return fmt.Errorf("cannot read the Dockerfile: %w", err)
	}
	name := o.file
	if name == "" || name == stdinName || isURL(name) {
		name = filepath.Join(dir, "Dockerfile")
	}
	if list := o.ignores(dir, name); list != "" {
		if o.ignoreFile == "" { // the context's
			if err := checkPatterns(filepath.Dir(list), filepath.Base(list)); err != nil {
				return err
			}
		}
		text, err := os.ReadFile(list)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrNotFound, "cannot read what to ignore: %w", err)
		}
		if err := checkEach(list, bytes.NewReader(text)); err != nil {
			return err
		}
		if err := write(filepath.Join(own, "Dockerfile.dockerignore"), bytes.NewReader(text)); err != nil {
			return err
		}
	}
	o.Locals["dockerfile"], o.FrontEnd["filename"] = own, "Dockerfile"
	o.FrontEnd["dockerfilekey"] = "dockerfile"
	return nil
}

func write(path string, from io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}

// stdinContext reads a context, which is an archive, or a Dockerfile that needs none.
func (o *buildOptions) stdinContext(app *App, b *build.Builder) (string, error) {
	in := bufio.NewReaderSize(app.In, 4096)
	head, err := in.Peek(1024)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("cannot read the build context: %w", err)
	}
	dir, err := b.TempDir()
	if err != nil {
		return "", err
	}
	if archiveutil.IsArchive(head) {
		return dir, b.Unpack(context.Background(), in, dir)
	}
	return dir, o.takeDockerfile(b, dir, in)
}
