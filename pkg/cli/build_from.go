//go:build !moss_front

package cli

import (
	"bytes"
	"io"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// replaceFrom is a Dockerfile whose first FROM names another image. The lines keep their numbers.
func replaceFrom(dockerfile io.Reader, name string) (io.Reader, error) {
	text, err := io.ReadAll(dockerfile)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return bytes.NewReader(text), nil //nolint:nilerr // the front end says it better
	}
	for _, node := range parsed.AST.Children {
		if strings.EqualFold(node.Value, "from") && node.Next != nil {
			return strings.NewReader(replaceLines(string(text), node, name)), nil
		}
	}
	return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --from %s: the Dockerfile has no FROM", name)
}

// replaceLines writes a FROM anew on the first of its lines, and leaves the others empty.
func replaceLines(text string, from *parser.Node, name string) string {
	words := append([]string{"FROM"}, from.Flags...)
	words = append(words, name)
	for n := from.Next.Next; n != nil; n = n.Next {
		words = append(words, n.Value)
	}
	lines := strings.Split(text, "\n")
	for i := from.StartLine; i < from.EndLine; i++ {
		lines[i] = ""
	}
	lines[from.StartLine-1] = strings.Join(words, " ")
	return strings.Join(lines, "\n")
}
