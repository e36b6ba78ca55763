package build

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/urlutil"
	"github.com/opencontainers/go-digest"

	"github.com/mosscontainers/moss/pkg/build/source"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// remotes are the files and repositories that a build has got from elsewhere. They stay until it ends.
type remotes struct {
	mu        sync.Mutex
	closers   []func() error
	materials []material // sorted, each once
}

// material is something from elsewhere, as provenance names it.
type material struct {
	uri    string
	digest object
}

// note records what was got. Its name is told without credentials.
func (r *remotes) note(op *pb.SourceOp, got *source.Result) {
	m := material{uri: urlutil.RedactCredentials(op.Identifier)}
	if full := op.Attrs[pb.AttrFullRemoteURL]; full != "" { // the identifier of a repository has no scheme
		_, ref, _ := strings.Cut(op.Identifier, "#")
		m.uri = strings.TrimSuffix(urlutil.RedactCredentials(full)+"#"+ref, "#")
	}
	if d := digest.Digest(got.Pin); d.Validate() == nil {
		m.digest = digestSet(d)
	} else {
		m.digest = object{"sha1": got.Pin}
	}
	if len(got.Pin) == 64 {
		m.digest = object{"sha256": got.Pin} // a repository of that kind
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at, there := slices.BinarySearchFunc(r.materials, m, func(a, b material) int { return strings.Compare(a.uri, b.uri) })
	if !there {
		r.materials = slices.Insert(r.materials, at, m)
	}
}

func (r *remotes) add(closer func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closers = append(r.closers, closer)
}

func (r *remotes) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, closer := range r.closers {
		errs = append(errs, closer())
	}
	r.closers = nil
	return errors.Join(errs...)
}

// remote gets a file or a repository.
func (s *solver) remote(ctx context.Context, op *pb.SourceOp) (*source.Result, error) {
	store := &source.Store{Dir: filepath.Join(s.cache.dir, "sources"), Secret: s.offeredSecret, Agent: s.agentSocket}
	got, err := store.Get(ctx, op)
	if err != nil {
		return nil, err
	}
	s.remotes.add(got.Close)
	s.remotes.note(op, got)
	got.Tree.Known = s.known(got.Tree.Root)
	return got, nil
}

// offeredSecret is a secret that the build was given, if it was.
func (s *solver) offeredSecret(id string) ([]byte, bool, error) {
	data, err := s.findSecret(id, true)
	return data, data != nil, err
}

// agentSocket is a socket that leads to an SSH agent, until the build ends.
func (s *solver) agentSocket(id string) (string, error) {
	dial, ok := s.opts.Agents[id]
	if !ok {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot find the SSH agent %q: give one with --ssh %s", id, id)
	}
	dir, err := s.tempDir("agent-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "agent")
	l, err := net.Listen("unix", path)
	if err != nil {
		return "", err
	}
	s.remotes.add(forward(l, dial).Close)
	return path, nil
}

// describeRemote tells the front end of a file or a repository, which is got for it.
func (s *solver) describeRemote(ctx context.Context, op *pb.SourceOp) (*sourceresolver.MetaResponse, error) {
	got, err := s.remote(ctx, op)
	if err != nil {
		return nil, err
	}
	answer := &sourceresolver.MetaResponse{Op: op}
	if got.Name == "" {
		answer.Git = &sourceresolver.ResolveGitResponse{Checksum: got.Pin, CommitObject: got.Commit}
		return answer, nil
	}
	answer.HTTP = &sourceresolver.ResolveHTTPResponse{Digest: digest.Digest(got.Pin), Filename: got.Name}
	if !got.Modified.IsZero() {
		answer.HTTP.LastModified = &got.Modified
	}
	return answer, nil
}
