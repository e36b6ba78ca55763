package build

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/build/source"
	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// source is an operation that brings something in from outside.
func (t *step) source(ctx context.Context, op *pb.SourceOp) ([]result, error) {
	op, err := t.allowed(ctx, op)
	if err != nil {
		return nil, err
	}
	if source.Knows(op.Identifier) {
		t.seen.Doubt() // it may be another one the next moment
		got, err := t.remote(ctx, op)
		if err != nil {
			return nil, err
		}
		t.cached = got.Cached
		return []result{{tree: got.Tree}}, nil
	}
	scheme, name, _ := strings.Cut(op.Identifier, "://")
	switch scheme {
	case "local":
		local, err := t.local(name, op.Attrs)
		return []result{{tree: local}}, err
	case "oci-layout":
		return t.layout(ctx, op)
	case "docker-image":
		b, err := t.base(ctx, name, platformOf(t.v.Op.Platform))
		if err != nil {
			return nil, err
		}
		t.cached = b.local
		return []result{{layers: b.layers}}, nil
	}
	return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot read %s: sources of the kind %s are not known", op.Identifier, scheme)
}

// local is a directory of the user's: the context, that of the Dockerfile, or a named one.
func (s *solver) local(name string, attrs map[string]string) (*tree.Tree, error) {
	dir, ok := s.opts.Locals[name]
	if !ok {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot read the build context %q: there is none of that name", name)
	}
	t := &tree.Tree{Root: dir, RootOwned: true, Known: s.known(dir), Seen: s.seen}
	for attr, list := range map[string]*[]string{
		pb.AttrIncludePatterns: &t.Include, pb.AttrExcludePatterns: &t.Exclude, pb.AttrFollowPaths: &t.Follow,
	} {
		if text := attrs[attr]; text != "" {
			if err := json.Unmarshal([]byte(text), list); err != nil {
				return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot read the build context %q: %s: %w", name, attr, err)
			}
		}
	}
	return t, nil
}

// known is what is remembered of a directory's files. One that is made for this build alone is not worth remembering.
func (s *solver) known(dir string) *tree.Known {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.knowns[dir]
	if k == nil {
		k = tree.OpenKnown(filepath.Join(s.cache.dir, "contexts"), dir)
		s.knowns[dir] = k
	}
	return k
}

// knowns are what is remembered of directories, by their paths.
type knowns map[string]*tree.Known
