package fileop

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/mosscontainers/moss/pkg/build/tree"
)

// Digest tells what an action would read from a tree: names, kinds, modes, owners, link targets, extended attributes and contents, not
// times. It is "" for actions that read nothing, and fails as the action would where something is not there.
func Digest(ctx context.Context, action *pb.FileAction, source *tree.Tree) (digest.Digest, error) {
	a := action.GetCopy()
	if a == nil {
		return "", nil
	}
	v, err := source.Open()
	if err != nil {
		return "", err
	}
	defer v.Close()
	sources, err := sourcesOf(v, a)
	if err != nil {
		return "", err
	}
	all := digest.SHA256.Digester()
	for _, src := range sources {
		one, err := v.Digest(ctx, selection(a, src))
		if err != nil {
			return "", err
		}
		if _, err := fmt.Fprintf(all.Hash(), "%q %s\n", filepath.Base(src), one); err != nil {
			return "", err
		}
	}
	return all.Digest(), nil
}
