// Package graph makes a graph of vertices of a definition in BuildKit's LLB (pb.Definition), where they are a list of encoded operations that
// name each other by digest.
package graph

import (
	"fmt"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// Vertex is one operation.
type Vertex struct {
	Digest digest.Digest // of the operation and, through its inputs', of all below it
	Op     *pb.Op
	Meta   *pb.OpMetadata // never nil
	Inputs []Edge
	source *errdefs.Source // where it stands in the Dockerfile, nil when that is not known
}

// Edge is one of the results of an operation. Without a vertex it is empty: FROM scratch.
type Edge struct {
	Vertex *Vertex
	Index  int
}

// Parse makes the graph of a definition and returns its result.
func Parse(def *pb.Definition) (Edge, error) {
	p := parser{def: def, ops: map[digest.Digest]*pb.Op{}, made: map[digest.Digest]*Vertex{}}
	var last digest.Digest
	for _, raw := range def.GetDef() {
		op := &pb.Op{}
		if err := op.UnmarshalVT(raw); err != nil {
			return Edge{}, fmt.Errorf("cannot read the graph of the build: %w", err)
		}
		last = digest.FromBytes(raw)
		p.ops[last] = op
	}
	if last == "" {
		return Edge{}, nil
	}
	end := p.ops[last] // has no operation, but the result as its only input
	if len(end.Inputs) == 0 {
		return Edge{}, nil
	}
	return p.edge(end.Inputs[0])
}

type parser struct {
	def  *pb.Definition
	ops  map[digest.Digest]*pb.Op
	made map[digest.Digest]*Vertex
}

func (p *parser) edge(in *pb.Input) (Edge, error) {
	v, err := p.vertex(digest.Digest(in.Digest))
	return Edge{Vertex: v, Index: int(in.Index)}, err
}

func (p *parser) vertex(d digest.Digest) (*Vertex, error) {
	if v := p.made[d]; v != nil {
		return v, nil
	}
	op := p.ops[d]
	if op == nil {
		return nil, fmt.Errorf("cannot read the graph of the build: operation %s is missing", d)
	}
	v := &Vertex{Digest: d, Op: op, Meta: p.def.Metadata[string(d)], source: p.source(d)}
	if v.Meta == nil {
		v.Meta = &pb.OpMetadata{}
	}
	p.made[d] = v
	for _, in := range op.Inputs {
		e, err := p.edge(in)
		if err != nil {
			return nil, err
		}
		v.Inputs = append(v.Inputs, e)
	}
	return v, nil
}

// source is the last place that an operation comes from: an instruction that ONBUILD or a heredoc brought has several.
func (p *parser) source(d digest.Digest) *errdefs.Source {
	locations := p.def.GetSource().GetLocations()[string(d)].GetLocations()
	for i := len(locations) - 1; i >= 0; i-- {
		l := locations[i]
		infos := p.def.Source.Infos
		if int(l.SourceIndex) < len(infos) && len(l.Ranges) > 0 {
			return &errdefs.Source{Info: infos[l.SourceIndex], Ranges: l.Ranges}
		}
	}
	return nil
}

// Locate gives an error the lines of the Dockerfile that the vertex stands for.
func (v *Vertex) Locate(err error) error {
	if err == nil || v.source == nil || len(errdefs.Sources(err)) > 0 {
		return err
	}
	return errdefs.WithSource(err, v.source)
}

// Name is what people call the vertex.
func (v *Vertex) Name() string {
	if name := v.Meta.Description["llb.customname"]; name != "" {
		return name
	}
	switch op := v.Op.Op.(type) {
	case *pb.Op_Source:
		return op.Source.Identifier
	case *pb.Op_Exec:
		return fmt.Sprintf("%q", op.Exec.Meta.Args)
	case *pb.Op_Merge:
		return "merge"
	case *pb.Op_Diff:
		return "diff"
	}
	return "files"
}
