package build

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/build/fileop"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// files is an operation on files: COPY, ADD, WORKDIR.
type files struct {
	*step
	op    *pb.FileOp
	roots map[int64]*root // of the inputs that are read
}

// none says of an index that there is no input, or no output.
const none = -1

// base is the input on which the files are written, none for an empty directory. The actions follow one upon the other.
func (f *files) base() (int64, error) {
	n := int64(len(f.inputs))
	for i, a := range f.op.Actions {
		if i > 0 && a.Input != n+int64(i)-1 || i == 0 && a.Input >= n || a.SecondaryInput >= n {
			return none, errdefs.Errorf(errdefs.ErrUnavailable, "cannot work on files: only actions that follow one upon the other are known")
		}
	}
	if len(f.op.Actions) == 0 {
		return none, errdefs.Errorf(errdefs.ErrInvalid, "cannot work on files: there is nothing to do")
	}
	return f.op.Actions[0].Input, nil
}

func (f *files) below() (snapshot, error) {
	base, err := f.base()
	if err != nil || base == none {
		return nil, err
	}
	in := f.inputs[base]
	if in.tree != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot write into a build context")
	}
	return in.layers, nil
}

func (f *files) quick() string {
	op, err := f.opKey(f.v.Op)
	if err != nil {
		return ""
	}
	parts := []string{"files", op}
	for _, in := range f.inputs {
		if in.tree != nil {
			return ""
		}
		parts = append(parts, in.layers.content())
	}
	return key(parts...)
}

func (f *files) content(ctx context.Context) (_ string, err error) {
	defer func() { err = errors.Join(err, f.close()) }()
	op, err := f.opKey(f.v.Op)
	if err != nil {
		return "", err
	}
	below, err := f.below()
	if err != nil {
		return "", err
	}
	parts := []string{"files by content", op, below.content()}
	for _, a := range f.op.Actions {
		if a.GetCopy() == nil {
			continue
		}
		source, err := f.root(a.SecondaryInput)
		if err != nil {
			return "", err
		}
		d, err := fileop.Digest(ctx, a, source.Tree)
		if err != nil {
			return "", err
		}
		parts = append(parts, d.String())
	}
	return key(parts...), nil
}

// root opens an input.
func (f *files) root(input int64) (*root, error) {
	if r := f.roots[input]; r != nil {
		return r, nil
	}
	var in result
	if input >= 0 && input < int64(len(f.inputs)) {
		in = f.inputs[input]
	} else if input != none {
		return nil, fmt.Errorf("cannot work on files: there is no input %d", input)
	}
	r, err := f.open(in)
	if err != nil {
		return nil, err
	}
	if f.roots == nil {
		f.roots = map[int64]*root{}
	}
	f.roots[input] = r
	return r, nil
}

func (f *files) close() error {
	var errs []error
	for _, r := range f.roots {
		errs = append(errs, r.Close())
	}
	f.roots = nil
	return errors.Join(errs...)
}

func (f *files) do(ctx context.Context) (_ snapshot, _ int, err error) {
	below, err := f.below()
	if err != nil {
		return nil, 0, err
	}
	d, err := f.draft(below)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, d.discard(), f.close()) }()
	dest, err := f.mount(d)
	if err != nil {
		return nil, 0, err
	}
	for _, a := range f.op.Actions {
		if err := f.apply(ctx, a, dest); err != nil {
			return nil, 0, err
		}
	}
	layers, err := f.commit(ctx, d)
	return layers, len(below), err
}

func (f *files) apply(ctx context.Context, a *pb.FileAction, dest string) error {
	o := fileop.Options{Dest: dest, Root: func(input int64) (string, error) {
		r, err := f.root(input)
		if err != nil {
			return "", err
		}
		return r.Root, nil
	}}
	if a.GetCopy() != nil {
		source, err := f.root(a.SecondaryInput)
		if err != nil {
			return err
		}
		o.Source = source.Tree
	}
	return fileop.Apply(ctx, a, o)
}
