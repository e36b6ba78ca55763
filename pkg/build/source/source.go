// Package source gets what a build takes from elsewhere: files by http and https, and git repositories. What was got is kept in a
// directory between builds, asked about again each time, and told apart by its content.
//
// Servers and repositories are hostile: credentials go to no other host, names are single components, and git runs without the
// host's configuration, hooks or terminal.
package source

import (
	"context"
	"strings"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Store is where sources are got to.
type Store struct {
	Dir string // a directory of its own
	// Secret gives a secret of the build by its id; ok is false where there is none. It may be nil.
	Secret func(id string) (value []byte, ok bool, err error)
	// Agent gives the socket of the SSH agent that the build forwards under an id. It may be nil.
	Agent func(id string) (socket string, err error)
}

// Result is a source that was got.
type Result struct {
	Tree     *tree.Tree
	Pin      string    // what it is, whatever it was called: the digest of a file, the commit of a repository
	Key      string    // what a cache goes by: like Pin, with all options that make a difference
	Name     string    // of the file in Tree, for a file
	Modified time.Time // what the server says; zero where it says nothing
	Commit   []byte    // git's object of it, for a repository
	Cached   bool      // that it was there already
	lock     *sys.Lock
}

// Close lets others remove what was got.
func (r *Result) Close() error { return r.lock.Unlock() }

// Knows says whether Get gets sources of an identifier's kind.
func Knows(identifier string) bool {
	scheme, _, _ := strings.Cut(identifier, "://")
	return scheme == "http" || scheme == "https" || scheme == "git"
}

// Get gets a source. It stays as it is until the result is closed.
func (s *Store) Get(ctx context.Context, op *pb.SourceOp) (*Result, error) {
	scheme, name, _ := strings.Cut(op.Identifier, "://")
	switch scheme {
	case "http", "https":
		f, err := parseFile(op.Identifier, op.Attrs)
		if err != nil {
			return nil, err
		}
		return s.file(ctx, f)
	case "git":
		r, err := parseRepository(name, op.Attrs)
		if err != nil {
			return nil, err
		}
		return s.repository(ctx, r)
	}
	return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot get %s: sources of the kind %s are not known", op.Identifier, scheme)
}

// secret gives the first secret that there is, and its id.
func (s *Store) secret(ids ...string) (value []byte, id string, err error) {
	if s.Secret == nil {
		return nil, "", nil
	}
	for _, id := range ids {
		if value, ok, err := s.Secret(id); ok || err != nil {
			return value, id, err
		}
	}
	return nil, "", nil
}
