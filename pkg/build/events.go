package build

import (
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/mosscontainers/moss/pkg/build/graph"
)

// events tells how the build goes on.
type events struct {
	mu   sync.Mutex
	tell func(*client.SolveStatus) // nil tells nobody
}

func (e *events) send(s *client.SolveStatus) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tell != nil {
		e.tell(s)
	}
}

// begin tells that a vertex is worked on.
func (e *events) begin(v *graph.Vertex) *vertexLog {
	now := time.Now()
	l := &vertexLog{events: e, vertex: client.Vertex{Digest: v.Digest, Name: v.Name(), Started: &now, ProgressGroup: v.Meta.ProgressGroup}}
	for _, in := range v.Inputs {
		if in.Vertex != nil {
			l.vertex.Inputs = append(l.vertex.Inputs, in.Vertex.Digest)
		}
	}
	l.send()
	return l
}

// note tells of work that is no vertex, while it is done.
func (e *events) note(name string, do func(*vertexLog) error) error {
	now := time.Now()
	l := &vertexLog{events: e, vertex: client.Vertex{Digest: digest.FromString(name + now.String()), Name: name, Started: &now}}
	l.send()
	err := do(l)
	l.end(false, err)
	return err
}

// vertexLog tells how a vertex goes on.
type vertexLog struct {
	events *events
	vertex client.Vertex
}

func (l *vertexLog) send() {
	v := l.vertex
	l.events.send(&client.SolveStatus{Vertexes: []*client.Vertex{&v}})
}

func (l *vertexLog) end(cached bool, err error) {
	now := time.Now()
	l.vertex.Completed, l.vertex.Cached = &now, cached
	if err != nil {
		l.vertex.Error = err.Error()
	}
	l.send()
}

// output is where a step writes, 1 for its standard output and 2 for its standard error.
func (l *vertexLog) output(stream int) *outputWriter { return &outputWriter{l, stream} }

type outputWriter struct {
	log    *vertexLog
	stream int
}

func (w *outputWriter) Write(p []byte) (int, error) {
	w.log.events.send(&client.SolveStatus{Logs: []*client.VertexLog{{
		Vertex: w.log.vertex.Digest, Stream: w.stream, Data: append([]byte(nil), p...), Timestamp: time.Now(),
	}}})
	return len(p), nil
}
