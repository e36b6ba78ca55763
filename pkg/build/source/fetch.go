package source

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/util/gitutil"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// resolve asks the server what the ref is, where that does not say it itself.
func (g *git) resolve(ctx context.Context) (commit, error) {
	r := g.of
	if gitutil.IsCommitSHA(r.ref) {
		return commit{name: r.ref}, r.compare(r.ref)
	}
	if r.fetchByCommit {
		return commit{name: r.checksum}, nil
	}
	ref := r.ref
	if ref == "" {
		ref = "HEAD"
	}
	out, err := g.git(ctx, g.cli, "ls-remote", "--symref", "--", r.remote, ref, ref+"^{}")
	if err != nil {
		return commit{}, err
	}
	c, err := r.choose(parseRefs(out))
	if err != nil {
		return commit{}, err
	}
	return c, r.compare(c.name)
}

// refs are commits by their refs' full names; of a tag that is an object it is the commit.
func parseRefs(out []byte) map[string]string {
	refs := map[string]string{}
	for line := range bytes.Lines(out) {
		value, name, ok := strings.Cut(strings.TrimSpace(string(line)), "\t")
		if target, symbolic := strings.CutPrefix(value, "ref: "); symbolic && ok {
			refs["default"] = target
		} else if ok && gitutil.IsCommitSHA(value) {
			refs[name] = value
		}
	}
	return refs
}

// choose finds the ref among those of the server; branches come before tags, as for git checkout.
func (r *repository) choose(refs map[string]string) (commit, error) {
	candidates := []string{refs["default"], "HEAD"}
	if r.ref != "" {
		short := strings.TrimPrefix(r.ref, "refs/")
		candidates = []string{"refs/" + short, "refs/heads/" + strings.TrimPrefix(short, "heads/"), "refs/tags/" + strings.TrimPrefix(short, "tags/")}
	}
	for _, name := range candidates {
		if of, ok := refs[name+"^{}"]; ok { // a tag with a message
			return commit{name: of, ref: name}, nil
		}
		if of, ok := refs[name]; ok {
			return commit{name: of, ref: name}, nil
		}
	}
	if refs["HEAD"] != "" && r.ref == "" {
		return commit{name: refs["HEAD"], ref: refs["default"]}, nil
	}
	return commit{}, errdefs.Errorf(errdefs.ErrNotFound, "cannot get the repository %s: it has no ref %q", r, r.ref)
}

func (r *repository) compare(name string) error {
	if !strings.HasPrefix(name, r.checksum) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot get the repository %s: the commit is %s, not %s", r, name, r.checksum)
	}
	return nil
}

// fetch sees to it that the bare repository in dir has a commit.
func (g *git) fetch(ctx context.Context, dir string, c commit) error {
	bare := g.cli.New(gitutil.WithGitDir(dir), gitutil.WithDir(dir))
	has := func() bool {
		_, err := bare.Run(ctx, "cat-file", "-e", c.name+"^{commit}")
		return err == nil
	}
	if has() {
		return nil
	}
	if err := g.begin(ctx, bare, dir, c); err != nil {
		return err
	}
	want := c.ref
	if want == "" {
		want = c.name
	}
	_, err := g.git(ctx, bare, "fetch", "--no-tags", "--depth=1", "--force", "--", g.of.remote, want)
	if err == nil && has() {
		return nil
	}
	// Some servers give only what a ref leads to: then it must be among all of it.
	if _, all := g.git(ctx, bare, "fetch", "--no-tags", "--force", "--", g.of.remote, "+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*"); all != nil {
		return all
	}
	if !has() {
		return errdefs.Errorf(errdefs.ErrNotFound, "cannot get the repository %s: it has no commit %s", g.of, c.name)
	}
	return nil
}

// begin makes the bare repository in dir, or mends one whose making, or whose last fetching, was killed.
func (g *git) begin(ctx context.Context, bare *gitutil.GitCLI, dir string, c commit) error {
	for _, pattern := range []string{"shallow.lock", "config.lock", "objects/pack/tmp_*"} { // nobody else is at it: the directory is locked
		left, _ := filepath.Glob(filepath.Join(dir, pattern)) // the patterns are good ones
		for _, path := range left {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	format := "--object-format=sha1"
	if len(c.name) == 64 {
		format = "--object-format=sha256"
	}
	if _, err := g.git(ctx, bare, "init", "--bare", format); err != nil {
		return err
	}
	_, err := g.git(ctx, bare, "config", "uploadpack.allowAnySHA1InWant", "true")
	return err
}
