package build

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// checkEncoding fails for an instruction of a Dockerfile that is not UTF-8: neither the graph nor the configuration of an image can have other words.
// Comments are free, and so is what a heredoc in quotes has for COPY and ADD.
func checkEncoding(name string, text []byte) error {
	if utf8.Valid(text) || strings.HasSuffix(name, ".dockerignore") {
		return nil
	}
	const foreign = "\U0010ffff" // a character that no text has; the parser prints an error of its own for bytes that are none
	parsed, err := parser.Parse(bytes.NewReader(bytes.ToValidUTF8(text, []byte(foreign))))
	from := func(node *parser.Node) bool { return strings.EqualFold(node.Value, "from") }
	if err != nil || !slices.ContainsFunc(parsed.AST.Children, from) {
		return nil //nolint:nilerr // the front end says it better, or it is an archive
	}
	for _, node := range parsed.AST.Children {
		lost := slices.ContainsFunc(node.Heredocs, func(d parser.Heredoc) bool {
			return strings.Contains(d.Content, foreign) && (d.Expand || strings.EqualFold(node.Value, "run"))
		})
		if lost || strings.Contains(node.Original, foreign) {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use line %d of %s: it is not UTF-8; if it is Latin-1, iconv -f latin1 -t utf8 prints the file as UTF-8", node.StartLine, path.Base(name))
		}
	}
	return nil
}
