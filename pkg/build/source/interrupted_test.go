package source_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/build/source"
	"github.com/mosscontainers/moss/pkg/sys"
)

// cutting is a way to a server that breaks off each answer with more than so many bytes.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(p)
}

func (c *cutting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// What had come of a repository when the connection broke off must not be taken for the whole.
func TestAFetchThatBrokeOffIsMadeGoodByTheNext(t *testing.T) {
	h, _, _ := project(t)
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = byte(rand.Uint32())
	}
	last := h.commit(t, "p.git", "sub/file", string(big))
	to, err := url.Parse(h.url)
	must(t, err)
	whole := httputil.NewSingleHostReverseProxy(to)
	limit := 1 << 19
	way := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole.ServeHTTP(&cutting{w, limit}, r)
	}))
	defer way.Close()
	h.url = way.URL
	store := &source.Store{Dir: t.TempDir()}
	if _, err := h.get(t, store, "", nil); err == nil {
		t.Fatal("half of the file was enough")
	}
	limit = 1 << 30
	got, err := h.get(t, store, "", nil)
	must(t, err)
	if got.Pin != last || read(t, got, "sub/file") != string(big) {
		t.Error("got another commit, or another file")
	}
}

// bare is the repository that is kept.
func bare(t *testing.T, s *source.Store) string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(s.Dir, "git/*"))
	must(t, err)
	if len(dirs) != 1 {
		t.Fatal(dirs)
	}
	return dirs[0]
}

func TestWhatAKilledGitLeftIsMended(t *testing.T) {
	h, first, _ := project(t)
	store := &source.Store{Dir: t.TempDir()}
	_, err := h.get(t, store, "#"+first, nil)
	must(t, err)
	dir := bare(t, store)
	for _, left := range []func() error{
		func() error { return os.WriteFile(filepath.Join(dir, "shallow.lock"), nil, 0o600) },
		func() error { return os.WriteFile(filepath.Join(dir, "config.lock"), nil, 0o600) },
		func() error { return os.WriteFile(filepath.Join(dir, "objects/pack/tmp_pack_left"), nil, 0o600) },
		func() error { return os.RemoveAll(filepath.Join(dir, "objects")) },
	} {
		must(t, left())
		next := h.commit(t, "p.git", "sub/file", t.TempDir())
		_, err := h.get(t, store, "", nil)
		must(t, err)
		if _, err := h.get(t, store, "#"+next, nil); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "refs/all")); err == nil {
			t.Error("all of the repository was fetched")
		}
		if left, err := filepath.Glob(filepath.Join(dir, "objects/pack/tmp_*")); err != nil || left != nil {
			t.Error(left, err)
		}
	}
}

// Another build may be at the same repository for long.
func TestWaitingForARepositoryCanBeEnded(t *testing.T) {
	h, first, last := project(t)
	store := &source.Store{Dir: t.TempDir()}
	_, err := h.get(t, store, "#"+first, nil)
	must(t, err)
	lock, err := sys.LockDir(bare(t, store), false)
	must(t, err)
	defer lock.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Get(ctx, &pb.SourceOp{Identifier: "git://x#" + last, Attrs: map[string]string{"git.fullurl": h.url + "/p.git"}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Every user of a machine sees the arguments of all its processes.
func TestTokensAreInNoArguments(t *testing.T) {
	h, _, _ := project(t)
	to, err := url.Parse(h.url)
	must(t, err)
	whole := httputil.NewSingleHostReverseProxy(to)
	way := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "bearer it's s3cret" {
			t.Errorf("the server got %q", r.Header.Get("Authorization"))
		}
		all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, one := range all {
			if line, err := os.ReadFile(one); err == nil && bytes.Contains(line, []byte("s3cret")) {
				t.Errorf("everybody sees %s", strings.ReplaceAll(string(line), "\x00", " "))
			}
		}
		whole.ServeHTTP(w, r)
	}))
	defer way.Close()
	h.url = way.URL
	store := &source.Store{Dir: t.TempDir(), Secret: func(id string) ([]byte, bool, error) {
		return []byte("bearer it's s3cret"), id == "GIT_AUTH_HEADER", nil
	}}
	_, err = h.get(t, store, "", map[string]string{"git.authheadersecret": "GIT_AUTH_HEADER"})
	must(t, err)
}
