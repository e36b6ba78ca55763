package image_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/mosscontainers/moss/storage/image"
)

// guarded is a registry that wants tokens, which it gives to everybody: their numbers.
type guarded struct {
	host    string
	given   atomic.Int32                             // so far
	revoked atomic.Int32                             // all up to this one
	revoke  atomic.Pointer[func(*http.Request) bool] // all tokens, before this request
	says    string                                   // beside that a token is wanted
	refused atomic.Int32
}

func newGuarded(t *testing.T, says string) *guarded {
	t.Helper()
	g := &guarded{says: says}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			_, _ = fmt.Fprintf(w, `{"token":"%d","expires_in":3600}`, g.given.Add(1))
			return
		}
		if revoke := g.revoke.Load(); revoke != nil && (*revoke)(r) {
			g.revoked.Store(g.given.Load())
		}
		token, _ := strconv.Atoi(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if int32(token) > g.revoked.Load() {
			inner.ServeHTTP(w, r)
			return
		}
		g.refused.Add(1)
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="guarded"%s`, r.Host, g.says))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(server.Close)
	g.host = strings.TrimPrefix(server.URL, "http://")
	return g
}

// revokeAt has the token revoked before the nth request of a method with part in its path.
func (g *guarded) revokeAt(nth int32, method, part string) {
	var count atomic.Int32
	revoke := func(r *http.Request) bool {
		return r.Method == method && strings.Contains(r.URL.Path, part) && count.Add(1) == nth
	}
	g.refused.Store(0)
	g.revoke.Store(&revoke)
}

func TestRevokedTokensAreAskedForAnew(t *testing.T) {
	for _, says := range []string{"", `,error="invalid_token"`} {
		g := newGuarded(t, says)
		_, im := newStore(t)
		busybox(t, im, "busybox")
		o := insecure()
		o.Retries, o.RetryDelay = 1, time.Millisecond
		name := g.host + "/team/busybox:1"
		for _, c := range []struct {
			nth          int32
			method, part string
		}{{1, http.MethodHead, "/blobs/"}, {1, http.MethodPatch, "/blobs/"}, {1, http.MethodPut, "/manifests/"}} {
			name := fmt.Sprintf("%s/team/%s%d:1", g.host, strings.ToLower(c.method), len(says))
			g.revokeAt(c.nth, c.method, c.part)
			if _, err := im.Push(t.Context(), "busybox", name, image.PushOptions{Copying: o}); err != nil {
				t.Errorf("push, revoked before %s %d: %v", c.method, c.nth, err)
			}
			if g.refused.Load() < 2 {
				t.Errorf("push, %s: the token was not revoked", c.method)
			}
		}
		if _, err := im.Push(t.Context(), "busybox", name, image.PushOptions{Copying: o}); err != nil {
			t.Fatal(err)
		}
		for nth := range int32(2) { // the configuration, and the layer
			if _, err := im.Remove(t.Context(), "busybox", image.RemoveOptions{Force: true}); err != nil && nth == 0 {
				t.Fatal(err)
			}
			_, _ = im.Remove(t.Context(), name, image.RemoveOptions{Force: true})
			g.revokeAt(nth+1, http.MethodGet, "/blobs/")
			if _, err := im.Pull(t.Context(), name, image.PullOptions{Copying: o}); err != nil {
				t.Errorf("pull, revoked before blob %d: %v", nth+1, err)
			}
			if g.refused.Load() < 2 {
				t.Errorf("pull, blob %d: the token was not revoked", nth+1)
			}
		}
	}
}

// A registry that refuses every token is not asked for ever.
func TestTokensThatAreAlwaysRefused(t *testing.T) {
	g := newGuarded(t, "")
	cfg, im := newStore(t)
	busybox(t, im, "busybox")
	o := insecure()
	name := g.host + "/team/busybox:1"
	if _, err := im.Push(t.Context(), "busybox", name, image.PushOptions{Copying: o}); err != nil {
		t.Fatal(err)
	}
	if _, err := im.Remove(t.Context(), "busybox", image.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	revoke := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/") }
	g.revoke.Store(&revoke)
	g.refused.Store(0)
	_, err := im.Pull(t.Context(), name, image.PullOptions{Copying: o})
	if err == nil || !strings.Contains(err.Error(), "authentication required") || strings.Contains(err.Error(), "\n") {
		t.Errorf("want a refusal in one line, got %v", err)
	}
	if n := g.refused.Load(); n > 12 {
		t.Errorf("it was asked %d times", n)
	}
	nothingLeft(t, cfg)
}

// A web server that likes everything is no registry.
func TestServersThatAnswerAnythingAreNoRegistries(t *testing.T) {
	for _, page := range []string{"", "<html>Log in</html>", strings.Repeat("long ", 2<<20)} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Location", r.URL.Path)
			w.Header().Set("Docker-Upload-UUID", "1")
			if r.Method != http.MethodPost {
				w.Header().Set("Content-Length", strconv.Itoa(len(page)))
			}
			if r.Method == http.MethodPost {
				w.WriteHeader(http.StatusAccepted)
			}
			if r.Method == http.MethodPut {
				w.WriteHeader(http.StatusCreated)
			}
			_, _ = io.WriteString(w, page)
		}))
		t.Cleanup(server.Close)
		host := strings.TrimPrefix(server.URL, "http://")
		cfg, im := newStore(t)
		busybox(t, im, "busybox")
		_, pushed := im.Push(t.Context(), "busybox", host+"/team/busybox:1", image.PushOptions{Copying: insecure()})
		file := t.TempDir() + "/auth.json"
		r := insecure().Registry
		r.AuthFile = file
		_, loggedIn := image.Login(t.Context(), cfg, host, "joe", "secret", r)
		for _, err := range []error{pushed, loggedIn} {
			if err == nil || !strings.Contains(err.Error(), "is no registry") || strings.Contains(err.Error(), "\n") {
				t.Errorf("want a refusal in one line, got %v", err)
			}
		}
		user, err := image.LoggedInUser(cfg, host, file)
		if err != nil || user != "" {
			t.Errorf("the credentials were kept: %q, %v", user, err)
		}
	}
}
