package build

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	solvererrors "github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	mode "github.com/tonistiigi/dchapes-mode"
)

// baseError is about an image that a Dockerfile names and that cannot be had.
type baseError struct {
	name  string // as the front end has completed it: docker.io/library/busybox:latest
	other string // the platform of the image by that name that is here, if it is another than the wanted; or ""
	error
}

func (e *baseError) Unwrap() error { return e.error }

// Error says also what else the Dockerfile may have meant: a word alone is often a stage.
func (e *baseError) Error() string {
	if e.other != "" {
		return fmt.Sprintf("%v; the one in the local store is for %s", e.error, e.other)
	}
	word := strings.TrimSuffix(familiar(e.name), ":latest")
	if strings.ContainsAny(word, "/:@") {
		return e.error.Error()
	}
	return fmt.Sprintf("%v; nor is a stage before that line called %s", e.error, word)
}

// explain makes mistakes of a Dockerfile plainer than the front end does.
func explain(err error) error {
	if errors.Is(err, mode.ErrSyntax) {
		err = fmt.Errorf("cannot use the mode of --chmod: %w; write it like 755 or u=rwX,go=rX", err)
	}
	var base *baseError
	if errors.As(err, &base) {
		locate(err, base.name)
	}
	return err
}

// locate finds the line for an error about the image of a mount, of which the front end tells only the Dockerfile.
func locate(err error, image string) {
	var source *solvererrors.SourceError
	if !errors.As(err, &source) || len(source.Ranges) > 0 {
		return
	}
	file, parseErr := parser.Parse(bytes.NewReader(source.Info.GetData()))
	if parseErr != nil {
		return
	}
	for _, node := range file.AST.Children {
		if slices.ContainsFunc(node.Flags, func(flag string) bool { return mountsFrom(flag, image) }) {
			source.Ranges = append(source.Ranges, &pb.Range{
				Start: &pb.Position{Line: int32(node.StartLine)}, End: &pb.Position{Line: int32(node.EndLine)},
			})
		}
	}
}

// mountsFrom says whether a flag is a --mount from an image.
func mountsFrom(flag, image string) bool {
	fields, ok := strings.CutPrefix(flag, "--mount=")
	if !ok {
		return false
	}
	for field := range strings.SplitSeq(fields, ",") {
		name, ok := strings.CutPrefix(field, "from=")
		named, err := reference.ParseNormalizedNamed(name)
		if ok && err == nil && reference.TagNameOnly(named).String() == image {
			return true
		}
	}
	return false
}
