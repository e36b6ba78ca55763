package build

import (
	"context"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/build/graph"
)

// A stage may begin with a directory: FROM NAME, where NAME is a build context. What is built on it, or made an image of it, needs layers, so
// the directory is copied into one, as COPY would.

// layInputs makes layers of those inputs of an operation that are built on.
func (t *step) layInputs(ctx context.Context) error {
	for _, i := range t.bases() {
		if i < 0 || i >= int64(len(t.inputs)) || t.inputs[i].tree == nil {
			continue
		}
		r, err := t.lay(ctx, t.inputs[i], t.v.Meta, t.log)
		if err != nil {
			return err
		}
		t.inputs[i] = r
	}
	return nil
}

// bases are the inputs that are built on; the others are only read.
func (t *step) bases() (inputs []int64) {
	switch op := t.v.Op.Op.(type) {
	case *pb.Op_File:
		for _, a := range op.File.Actions[:min(1, len(op.File.Actions))] {
			inputs = append(inputs, a.Input)
		}
	case *pb.Op_Exec:
		for _, m := range op.Exec.Mounts {
			if m.Dest == "/" {
				inputs = append(inputs, m.Input)
			}
		}
	case *pb.Op_Merge:
		for _, in := range op.Merge.Inputs {
			inputs = append(inputs, in.Input)
		}
	case *pb.Op_Diff:
		lower, upper := op.Diff.Lower, op.Diff.Upper
		if lower != nil {
			inputs = append(inputs, lower.Input)
		}
		if upper != nil {
			inputs = append(inputs, upper.Input)
		}
	}
	return inputs
}

// lay makes a layer of a directory. What there is to say of it goes to log.
func (s *solver) lay(ctx context.Context, in result, meta *pb.OpMetadata, log *vertexLog) (result, error) {
	op := &pb.FileOp{Actions: []*pb.FileAction{{
		Input: none, SecondaryInput: 0, Output: 0,
		Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{Src: "/", Dest: "/", DirCopyContents: true, Mode: -1, Timestamp: -1}},
	}}}
	v := &graph.Vertex{Op: &pb.Op{Op: &pb.Op_File{File: op}}, Meta: meta}
	t := &step{solver: s, v: v, inputs: []result{in}, log: log}
	out, err := t.remembered(ctx, &files{step: t, op: op})
	if err != nil {
		return result{}, err
	}
	return out[0], nil
}
