//go:build !moss_front

package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// lastLines keeps what steps wrote last, for a build that shows nothing unless a step fails.
type lastLines struct {
	kept   map[digest.Digest][]byte
	failed []client.Vertex
}

// enoughToTell is how many lines of a failed step are shown, as many as the other ways to show progress keep.
const enoughToTell = 80

// note takes in how the build goes on.
func (l *lastLines) note(s *client.SolveStatus) {
	if l.kept == nil {
		l.kept = map[digest.Digest][]byte{}
	}
	for _, log := range s.Logs {
		l.kept[log.Vertex] = lastOf(append(l.kept[log.Vertex], log.Data...))
	}
	for _, v := range s.Vertexes {
		switch {
		case v.Completed == nil:
		case v.Error != "" && !strings.HasSuffix(v.Error, "context canceled"):
			l.failed = append(l.failed, *v)
		default:
			delete(l.kept, v.Digest)
		}
	}
}

// lastOf cuts text to its last lines, and those to what a screen has room for.
func lastOf(text []byte) []byte {
	const wide = 200
	if over := len(text) - enoughToTell*wide; over > 0 {
		text = text[over:]
	}
	for n := bytes.Count(text, []byte{'\n'}); n > enoughToTell; n-- {
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	return text
}

// print shows what the steps that failed wrote, in the form of the other ways to show progress.
func (l *lastLines) print(w io.Writer) {
	for _, v := range l.failed {
		if text := bytes.TrimRight(l.kept[v.Digest], "\n"); len(text) > 0 {
			fmt.Fprintf(w, "------\n > %s:\n%s\n------\n", v.Name, text)
		}
	}
}
