// Package fileop carries out the file actions of a build's graph (COPY, ADD, WORKDIR, heredocs) on a directory that is to become a
// layer. They do what BuildKit's do: see its pb.FileOp and solver/llbsolver/file.
//
// It runs as the super-user of the user's namespace, on files that images and contexts have made: links in the destination
// lead to somewhere below it, and whatever is written is written through a descriptor.
package fileop

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Options are what an action works on.
type Options struct {
	Dest   string     // a root directory that is written to, by nobody else meanwhile
	Source *tree.Tree // what a copy reads
	// Root gives the root directory of an input of the operation, by its number: names of users are looked up in it.
	Root func(input int64) (string, error)
}

// Apply carries out one action.
func Apply(ctx context.Context, action *pb.FileAction, o Options) error {
	d, err := openDestination(o.Dest)
	if err != nil {
		return err
	}
	defer d.Close()
	switch a := action.Action.(type) {
	case *pb.FileAction_Copy:
		return applyCopy(ctx, a.Copy, d, o)
	case *pb.FileAction_Mkdir:
		return applyMkdir(a.Mkdir, d, o)
	case *pb.FileAction_Mkfile:
		return applyMkfile(a.Mkfile, d, o)
	case *pb.FileAction_Symlink:
		return applySymlink(a.Symlink, d, o)
	case *pb.FileAction_Rm:
		return applyRm(a.Rm, d)
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "cannot carry out a file action of the kind %T: it is not known", action.Action)
}

// timestamp is the time that an action gives to what it makes; nil where the action has none (-1).
func timestamp(ns int64) *time.Time {
	if ns == -1 {
		return nil
	}
	t := time.Unix(0, ns)
	return &t
}

func (o *Options) root(input int64) (string, error) {
	if o.Root == nil {
		return "", fmt.Errorf("cannot look up users: input %d is not there", input)
	}
	return o.Root(input)
}
