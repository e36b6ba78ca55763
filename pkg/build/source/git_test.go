package source_test

import (
	"errors"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mosscontainers/moss/pkg/build/source"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

func TestMain(m *testing.M) {
	syscall.Umask(0o077) // no mode comes out right by itself
	os.Exit(m.Run())
}

// host is a server of git repositories.
type host struct {
	dir, url string
	requests []*http.Request
}

func gitHost(t *testing.T) *host {
	t.Helper()
	h := &host{dir: t.TempDir()}
	backend := &cgi.Handler{
		Path: "/usr/bin/git", Args: []string{"http-backend"}, Root: "/",
		Env: []string{"GIT_PROJECT_ROOT=" + h.dir, "GIT_HTTP_EXPORT_ALL=1", "HOME=/nonexistent", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.requests = append(h.requests, r.Clone(t.Context()))
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// git runs git in a repository of the host, as its owner.
func (h *host) git(t *testing.T, repository string, args ...string) string {
	t.Helper()
	dir := filepath.Join(h.dir, repository)
	must(t, os.MkdirAll(dir, 0o755))
	cmd := exec.Command("git", append([]string{"-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a",
		"GIT_COMMITTER_EMAIL=a@b", "GIT_AUTHOR_DATE=981173106 +0000", "GIT_COMMITTER_DATE=981173106 +0000",
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (h *host) commit(t *testing.T, repository, path, content string) string {
	t.Helper()
	full := filepath.Join(h.dir, repository, path)
	must(t, os.MkdirAll(filepath.Dir(full), 0o755))
	must(t, os.WriteFile(full, []byte(content), 0o644))
	h.git(t, repository, "add", "-A")
	h.git(t, repository, "commit", "-qm", path)
	return h.git(t, repository, "rev-parse", "HEAD")
}

// project is a repository with a branch, two tags, a directory, a link and a program.
func project(t *testing.T) (h *host, first, last string) {
	t.Helper()
	h = gitHost(t)
	h.git(t, "p.git", "init", "-q", "-b", "trunk")
	first = h.commit(t, "p.git", "sub/file", "one")
	h.git(t, "p.git", "tag", "light")
	h.git(t, "p.git", "tag", "-m", "message", "v1")
	h.git(t, "p.git", "branch", "side")
	must(t, os.Symlink("sub", filepath.Join(h.dir, "p.git/link")))
	must(t, os.WriteFile(filepath.Join(h.dir, "p.git/run"), []byte("#!"), 0o755))
	last = h.commit(t, "p.git", "sub/file", "two")
	return h, first, last
}

func (h *host) get(t *testing.T, s *source.Store, what string, attrs map[string]string) (*source.Result, error) {
	t.Helper()
	all := map[string]string{"git.fullurl": h.url + "/p.git"}
	for k, v := range attrs {
		all[k] = v
	}
	return get(t, s, "git://"+strings.TrimPrefix(h.url, "http://")+"/p.git"+what, all)
}

func read(t *testing.T, r *source.Result, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.Tree.Root, path))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestRepositoriesAreCheckedOut(t *testing.T) {
	h, first, last := project(t)
	store := &source.Store{Dir: t.TempDir()}
	for _, test := range []struct{ what, commit, path, want string }{
		{"", last, "sub/file", "two"},
		{"#trunk", last, "sub/file", "two"},
		{"#side", first, "sub/file", "one"},
		{"#refs/heads/side", first, "sub/file", "one"},
		{"#light", first, "sub/file", "one"},
		{"#v1", first, "sub/file", "one"},
		{"#" + first, first, "sub/file", "one"},
		{"#:sub", last, "file", "two"},
		{"#v1:sub", first, "file", "one"},
	} {
		t.Run(test.what, func(t *testing.T) {
			r, err := h.get(t, store, test.what, nil)
			must(t, err)
			if got := read(t, r, test.path); got != test.want || r.Pin != test.commit {
				t.Errorf("%q at %s", got, r.Pin)
			}
			if _, err := os.Lstat(filepath.Join(r.Tree.Root, ".git")); !os.IsNotExist(err) {
				t.Error(".git is there", err)
			}
		})
	}
	r, err := h.get(t, store, "", nil)
	must(t, err)
	for path, mode := range map[string]os.FileMode{"": 0o755, "sub": 0o755, "sub/file": 0o644, "run": 0o755} {
		info, err := os.Stat(filepath.Join(r.Tree.Root, path))
		must(t, err)
		if info.Mode().Perm() != mode {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
	}
	if target, err := os.Readlink(filepath.Join(r.Tree.Root, "link")); err != nil || target != "sub" {
		t.Error(target, err)
	}
}

func TestACommitThatIsThereAsksNobody(t *testing.T) {
	h, _, last := project(t)
	store := &source.Store{Dir: t.TempDir()}
	first, err := h.get(t, store, "#"+last, nil)
	must(t, err)
	n := len(h.requests)
	again, err := h.get(t, store, "#"+last, nil)
	must(t, err)
	if len(h.requests) != n || !again.Cached || again.Key != first.Key {
		t.Errorf("%d more requests, %+v", len(h.requests)-n, again)
	}
	h.commit(t, "p.git", "sub/file", "three")
	branch, err := h.get(t, store, "#trunk", nil)
	must(t, err)
	if got := read(t, branch, "sub/file"); got != "three" || branch.Key == first.Key {
		t.Error(got)
	}
}

func TestGitDirIsKeptWhenAsked(t *testing.T) {
	h, first, _ := project(t)
	r, err := h.get(t, &source.Store{Dir: t.TempDir()}, "#side", map[string]string{"git.keepgitdir": "true", "git.mtime": "commit"})
	must(t, err)
	cmd := exec.Command("git", "-c", "safe.directory=*", "log", "--format=%H %D")
	cmd.Dir = r.Tree.Root
	out, err := cmd.CombinedOutput()
	must(t, err)
	if !strings.HasPrefix(string(out), first) || !strings.Contains(string(out), "HEAD -> side") {
		t.Errorf("%s", out)
	}
	info, err := os.Stat(filepath.Join(r.Tree.Root, "sub/file"))
	must(t, err)
	if info.ModTime().Unix() != 981173106 {
		t.Error(info.ModTime())
	}
}

func TestSubmodulesAreCheckedOut(t *testing.T) {
	h, _, _ := project(t)
	h.git(t, "lib.git", "init", "-q", "-b", "trunk")
	h.commit(t, "lib.git", "code", "library")
	h.git(t, "p.git", "submodule", "add", "-q", h.url+"/lib.git", "lib")
	h.git(t, "p.git", "commit", "-qm", "lib")
	store := &source.Store{Dir: t.TempDir()}
	r, err := h.get(t, store, "", nil)
	must(t, err)
	if got := read(t, r, "lib/code"); got != "library" {
		t.Error(got)
	}
	if _, err := os.Lstat(filepath.Join(r.Tree.Root, "lib/.git")); !os.IsNotExist(err) {
		t.Error("lib/.git is there", err)
	}
	r, err = h.get(t, store, "", map[string]string{"git.skipsubmodules": "true"})
	must(t, err)
	if _, err := os.Lstat(filepath.Join(r.Tree.Root, "lib/code")); !os.IsNotExist(err) {
		t.Error("lib is there", err)
	}
}

func TestChecksumsOfCommits(t *testing.T) {
	h, first, last := project(t)
	store := &source.Store{Dir: t.TempDir()}
	for _, sum := range []string{first, first[:8]} {
		r, err := h.get(t, store, "#v1", map[string]string{"git.checksum": sum})
		must(t, err)
		if r.Pin != first {
			t.Error(r.Pin)
		}
	}
	_, err := h.get(t, store, "#v1", map[string]string{"git.checksum": last})
	if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), "the commit is "+first+", not "+last) {
		t.Error(err)
	}
	r, err := h.get(t, store, "", map[string]string{"git.checksum": first, "git.fetchbycommit": "true"})
	must(t, err)
	if got := read(t, r, "sub/file"); got != "one" {
		t.Error(got)
	}
}

func TestHostileRepositories(t *testing.T) {
	h, _, _ := project(t)
	secret := filepath.Join(t.TempDir(), "proof")
	for _, test := range []struct {
		name, what string
		attrs      map[string]string
		want       string
	}{
		{"a ref that is a flag", "#--upload-pack=touch " + secret, nil, "is no ref"},
		{"a URL that is a flag", "", map[string]string{"git.fullurl": "--upload-pack=touch " + secret}, "cannot get the repository"},
		{"a host that is a flag", "", map[string]string{"git.fullurl": "ssh://-oProxyCommand=touch " + secret + "/x"}, "cannot get the repository"},
		{"a program as a URL", "", map[string]string{"git.fullurl": "ext::touch " + secret}, "cannot get the repository"},
		{"a file as a URL", "", map[string]string{"git.fullurl": "file://" + h.dir + "/p.git"}, "cannot get the repository"},
		{"a checksum that is a flag", "", map[string]string{"git.checksum": "--all"}, "is not the name of a commit"},
		{"a directory that climbs", "#:../../..", nil, ""},
		{"a directory that is a link", "#:link", nil, "it has no directory link"},
		{"a directory that is none", "#:sub/file", nil, "it has no directory sub/file"},
		{"a ref that is not there", "#none", nil, `it has no ref "none"`},
		{"a commit that is not there", "#" + strings.Repeat("a", 40), nil, "cannot get the repository"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := h.get(t, &source.Store{Dir: t.TempDir()}, test.what, test.attrs)
			if test.want == "" { // it stays inside
				must(t, err)
				if read(t, r, "sub/file") != "two" {
					t.Error(r.Tree.Root)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Error(err)
			}
			if _, err := os.Lstat(secret); !os.IsNotExist(err) {
				t.Fatal("it was run")
			}
		})
	}
}

func TestTheHostsConfigurationOfGitIsNotUsed(t *testing.T) {
	h, _, _ := project(t)
	home := t.TempDir()
	proof := filepath.Join(home, "proof")
	hooks := filepath.Join(home, "hooks")
	must(t, os.MkdirAll(hooks, 0o755))
	must(t, os.WriteFile(filepath.Join(hooks, "post-checkout"), []byte("#!/bin/sh\ntouch "+proof+"\n"), 0o755))
	must(t, os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[core]\n\thooksPath = "+hooks+"\n[init]\n\ttemplateDir = "+home+"\n"), 0o644))
	t.Setenv("HOME", home)
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(home, ".gitconfig"))
	t.Setenv("GIT_TEMPLATE_DIR", home)
	t.Setenv("GIT_DIR", home)
	_, err := h.get(t, &source.Store{Dir: t.TempDir()}, "", nil)
	must(t, err)
	if _, err := os.Lstat(proof); !os.IsNotExist(err) {
		t.Error("a hook was run")
	}
}

func TestTokensOfRepositoriesGoNowhereElse(t *testing.T) {
	h, _, _ := project(t)
	other := gitHost(t)
	other.git(t, "lib.git", "init", "-q", "-b", "trunk")
	other.commit(t, "lib.git", "code", "library")
	h.git(t, "p.git", "submodule", "add", "-q", other.url+"/lib.git", "lib")
	h.git(t, "p.git", "commit", "-qm", "lib")
	h.requests, other.requests = nil, nil
	store := &source.Store{Dir: t.TempDir(), Secret: func(id string) ([]byte, bool, error) {
		return []byte("s3cret"), id == "GIT_AUTH_TOKEN", nil
	}}
	_, err := h.get(t, store, "", map[string]string{"git.authtokensecret": "GIT_AUTH_TOKEN", "git.keepgitdir": "true"})
	must(t, err)
	for _, r := range h.requests {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "basic ") {
			t.Error("the server got no token")
		}
	}
	for _, r := range other.requests {
		if r.Header.Get("Authorization") != "" {
			t.Error("the other server got the token")
		}
	}
	if len(h.requests) == 0 || len(other.requests) == 0 {
		t.Error(len(h.requests), len(other.requests))
	}
	leaked := exec.Command("grep", "-r", "-e", "s3cret", "-e", "eC1hY2Nlc3M", store.Dir)
	if out, err := leaked.Output(); err == nil {
		t.Errorf("the token was written to disk: %s", out)
	}
}

func TestWithoutGitAMessageSaysWhatToInstall(t *testing.T) {
	h, _, _ := project(t)
	t.Setenv("PATH", t.TempDir())
	_, err := h.get(t, &source.Store{Dir: t.TempDir()}, "", nil)
	if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "there is no git on this machine; install it") {
		t.Error(err)
	}
}

// The lines of known_hosts are a file of ours, for which there may be no directory yet.
func TestTheFirstRepositoryMayComeBySSH(t *testing.T) {
	store := &source.Store{Dir: filepath.Join(t.TempDir(), "sources")}
	_, err := get(t, store, "git://git@127.0.0.1/p.git", map[string]string{
		"git.fullurl": "ssh://git@127.0.0.1:1/p.git", "git.mountsshsock": "default", "git.knownsshhosts": "127.0.0.1 ssh-ed25519 AAAA\n",
	})
	if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "git ls-remote: ") {
		t.Error(err)
	}
}
