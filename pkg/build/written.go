package build

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// written are the words of a build that may name images. The front end puts docker.io in front of names without a registry, so what it asks for does not tell whether
// somebody wrote that.
type written struct {
	mu    sync.Mutex
	words []string
}

// note reads what the front end does: a Dockerfile, or something that names nothing.
func (w *written) note(dockerfile []byte) {
	parsed, err := parser.Parse(bytes.NewReader(dockerfile))
	if err != nil {
		return // the front end says it better
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, node := range parsed.AST.Children {
		switch strings.ToLower(node.Value) {
		case "from", "arg":
			w.words = append(w.words, node.Original)
		default:
			w.words = append(w.words, node.Flags...)
		}
	}
}

// whole says whether the image of this name, with its registry, was named with that.
func (s *solver) whole(name string) bool {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return true
	}
	s.written.mu.Lock()
	words := s.written.words
	s.written.mu.Unlock()
	for key, value := range s.opts.FrontEnd {
		if strings.HasPrefix(key, "build-arg:") || strings.HasPrefix(key, "context:") {
			words = append(words[:len(words):len(words)], value)
		}
	}
	spellings := []string{named.Name(), reference.Domain(named) + "/" + reference.FamiliarName(named)}
	paths := []string{"/" + reference.Path(named), "/" + reference.FamiliarName(named)}
	registry := slices.ContainsFunc(words, func(word string) bool { return mentions(word, reference.Domain(named)) })
	for _, word := range words {
		if mentionsAny(word, spellings) || registry && strings.Contains(word, "$") && mentionsAny(word, paths) { // FROM ${REGISTRY}/library/debian
			return true
		}
	}
	return false
}

func mentionsAny(text string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return mentions(text, name) })
}

// mentions says whether a text has the name of an image, and not only the beginning of a longer one.
func mentions(text, name string) bool {
	for {
		_, rest, ok := strings.Cut(text, name)
		if !ok {
			return false
		}
		if rest == "" || !strings.ContainsAny(rest[:1], "abcdefghijklmnopqrstuvwxyz0123456789._-/") {
			return true
		}
		text = rest
	}
}
