package source

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/gitutil"

	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// repository is a part of a git repository.
type repository struct {
	remote        string // a URL, or user@host:path
	ref           string // a branch, tag, full name or commit; "" is the default branch
	subdir        string
	checksum      string // the beginning of the commit's name; "" is any
	keepGitDir    bool
	noSubmodules  bool
	commitTime    bool   // files have the time of the commit
	fetchByCommit bool   // checksum is the commit: the server is not asked for the ref
	authHeader    string // ids of secrets
	authToken     string
	agent         string // the id of an SSH agent; "" is none
	knownHosts    string // lines of known_hosts; "" is the user's own
}

func parseRepository(name string, attrs map[string]string) (*repository, error) {
	r := &repository{}
	address := attrs[pb.AttrFullRemoteURL]
	if address == "" {
		address = name
	}
	if !gitutil.IsGitTransport(address) {
		address = "https://" + address
	}
	u, err := gitutil.ParseURL(address)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot get the repository %q: %w", address, err)
	}
	r.remote = u.Remote
	if _, fragment, ok := strings.Cut(name, "#"); ok {
		r.ref, r.subdir, _ = strings.Cut(fragment, ":")
	}
	r.attributes(attrs)
	return r, r.check()
}

func (r *repository) attributes(attrs map[string]string) {
	yes := func(key string) bool { return attrs[key] == "true" }
	r.checksum = strings.ToLower(attrs[pb.AttrGitChecksum])
	r.keepGitDir = yes(pb.AttrKeepGitDir)
	r.noSubmodules = yes(pb.AttrGitSkipSubmodules)
	r.fetchByCommit = yes(pb.AttrGitFetchByCommit)
	r.commitTime = attrs[pb.AttrGitMTime] == "commit"
	r.authHeader, r.authToken = attrs[pb.AttrAuthHeaderSecret], attrs[pb.AttrAuthTokenSecret]
	r.agent, r.knownHosts = attrs[pb.AttrMountSSHSock], attrs[pb.AttrKnownSSHHosts]
}

// check refuses what git could take for something else than it is.
func (r *repository) check() error {
	for what, s := range map[string]string{"URL": r.remote, "ref": r.ref, "directory": r.subdir} {
		if strings.HasPrefix(s, "-") || strings.ContainsFunc(s, unicode.IsControl) {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot get the repository %s: %q is no %s", r, s, what)
		}
	}
	if strings.ContainsAny(r.ref, " ~^:?*[\\") || strings.Contains(r.ref, "..") || strings.Contains(r.ref, "@{") {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot get the repository %s: %q is no ref", r, r.ref)
	}
	if strings.Trim(r.checksum, "0123456789abcdef") != "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot get the repository %s: the checksum %q is not the name of a commit", r, r.checksum)
	}
	if r.fetchByCommit && !gitutil.IsCommitSHA(r.checksum) && !gitutil.IsCommitSHA(r.ref) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot get the repository %s by its commit: there is no whole name of one", r)
	}
	return nil
}

// String is the repository's address without passwords.
func (r *repository) String() string {
	if u, err := url.Parse(r.remote); err == nil {
		return u.Redacted()
	}
	return r.remote
}

// commit is what a ref is.
type commit struct {
	name string // hexadecimal
	ref  string // its full name, "" where only the commit is known
}

// repository gets a repository: from the server what is not there.
func (s *Store) repository(ctx context.Context, r *repository) (*Result, error) {
	g, err := s.git(r)
	if err != nil {
		return nil, err
	}
	result, err := s.got(ctx, g, r)
	return result, errors.Join(err, g.close())
}

func (s *Store) got(ctx context.Context, g *git, r *repository) (*Result, error) {
	c, err := g.resolve(ctx)
	if err != nil {
		return nil, err
	}
	key := r.key(c)
	dir, lock, err := s.find(key)
	if err != nil {
		return nil, err
	}
	cached := lock != nil
	if !cached {
		if dir, lock, err = s.checkOut(ctx, g, c, key); err != nil {
			return nil, err
		}
	}
	root, err := subdirectory(filepath.Join(dir, "root"), r)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	object, err := os.ReadFile(filepath.Join(dir, "commit"))
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	t := &tree.Tree{Root: root, RootOwned: true}
	return &Result{Tree: t, Pin: c.name, Key: keyOf(key, r.subdir), Commit: object, Cached: cached, lock: lock}, nil
}

// key is all that makes a difference to what is checked out. Of the repository's name none of it does, unless that is kept.
func (r *repository) key(c commit) string {
	kept := ""
	if r.keepGitDir {
		kept = r.remote + "#" + c.ref
	}
	return keyOf("git", c.name, kept, r.noSubmodules, r.commitTime)
}

// subdirectory is the directory of a repository that is wanted. Links do not lead there.
func subdirectory(root string, r *repository) (string, error) {
	path := filepath.Join("/", r.subdir)
	dir, err := os.Open(root)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	f, err := sys.OpenIn(dir, "."+path, os.O_RDONLY|sys.ODirectory, sys.NoLinks)
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot get the repository %s: it has no directory %s", r, strings.TrimPrefix(path, "/"))
	}
	f.Close()
	return filepath.Join(root, path), nil
}

// checkOut checks a commit out, with its submodules.
func (s *Store) checkOut(ctx context.Context, g *git, c commit, key string) (dir string, lock *sys.Lock, err error) {
	fetched, err := s.fetched(ctx, g, c)
	if err != nil {
		return "", nil, err
	}
	defer fetched.Unlock()
	d, err := s.draft()
	if err != nil {
		return "", nil, err
	}
	root := filepath.Join(d.dir, "root")
	if err := g.checkOut(ctx, fetched.File().Name(), root, c); err != nil {
		return "", nil, d.discard(err)
	}
	object, err := g.git(ctx, g.cli.New(gitutil.WithDir(root)), "cat-file", "commit", c.name)
	if err != nil {
		return "", nil, d.discard(err)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "commit"), object, 0o600); err != nil {
		return "", nil, d.discard(err)
	}
	t, err := g.time(ctx, root)
	if err == nil {
		err = tidy(root, g.of.keepGitDir, t)
	}
	if err != nil {
		return "", nil, d.discard(err)
	}
	return d.keep(key)
}

// fetched is the bare repository that is kept of a remote, locked, with a commit in it.
func (s *Store) fetched(ctx context.Context, g *git, c commit) (*sys.Lock, error) {
	dir := filepath.Join(s.Dir, "git", keyOf(g.of.remote, len(c.name)))
	for {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		lock, err := sys.AwaitLockDir(ctx, dir, false)
		if err != nil {
			return nil, err
		}
		if !isAt(lock.File(), dir) { // it was pruned while we waited
			if err := lock.Unlock(); err != nil {
				return nil, err
			}
			continue
		}
		now := time.Now()
		if err := errors.Join(os.Chtimes(dir, now, now), g.fetch(ctx, dir, c)); err != nil {
			return nil, errors.Join(err, lock.Unlock())
		}
		return lock, nil
	}
}

// gitAuthorization is git's setting of the header that a repository's secret stands for, "" without a secret. It is for the repository alone, and
// on github.com for its submodules, as actions/checkout has it.
func (s *Store) gitAuthorization(r *repository) (string, error) {
	u, err := url.Parse(r.remote)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return "", nil //nolint:nilerr // user@host:path goes by SSH
	}
	var ids []string
	for _, id := range []string{r.authHeader, r.authToken} {
		if id != "" {
			ids = append(ids, id+"."+u.Host, id)
		}
	}
	value, id, err := s.secret(ids...)
	if err != nil || id == "" {
		return "", err
	}
	header := strings.TrimSpace(string(value))
	if r.authToken != "" && (id == r.authToken || id == r.authToken+"."+u.Host) {
		header = "basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+header))
	}
	scope := r.remote
	if strings.HasPrefix(scope, "https://github.com/") {
		scope = "https://github.com/"
	}
	return "http." + scope + ".extraheader=Authorization: " + header, nil
}
