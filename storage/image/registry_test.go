package image_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/image"
)

// fault answers a request itself, or leaves it to the registry with false. nth counts the requests of
// its kind from 1.
type fault func(w http.ResponseWriter, r *http.Request, nth int32) bool

// faulty is a registry that holds busybox, by its full name, and has a fault for its blobs or manifests.
func faulty(t *testing.T, im *image.Images, part string, f fault) (name string) {
	t.Helper()
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	var armed atomic.Bool
	var count atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if armed.Load() && r.Method == http.MethodGet && strings.Contains(r.URL.Path, part) && f(w, r, count.Add(1)) {
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	name = strings.TrimPrefix(server.URL, "http://") + "/team/busybox:1"
	busybox(t, im, "busybox")
	if _, err := im.Push(t.Context(), "busybox", name, image.PushOptions{Copying: insecure()}); err != nil {
		t.Fatal(err)
	}
	if _, err := im.Remove(t.Context(), "busybox", image.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	armed.Store(true)
	return name
}

// status answers with an HTTP status, the first times times.
func status(code int, times int32) fault {
	return func(w http.ResponseWriter, _ *http.Request, nth int32) bool {
		if nth <= times {
			w.WriteHeader(code)
		}
		return nth <= times
	}
}

// reset cuts the connection in the middle of the first times answers.
func reset(times int32) fault {
	return func(w http.ResponseWriter, _ *http.Request, nth int32) bool {
		if nth > times {
			return false
		}
		w.Header().Set("Content-Length", "1000000")
		_, _ = w.Write(make([]byte, 4096))
		panic(http.ErrAbortHandler)
	}
}

// hangUp ends the connection of the first times requests.
func hangUp(times int32) fault {
	return func(_ http.ResponseWriter, _ *http.Request, nth int32) bool {
		if nth <= times {
			panic(http.ErrAbortHandler)
		}
		return false
	}
}

// always is more often than anybody tries.
const always = 1 << 30

func TestFaultsOfARegistry(t *testing.T) {
	garbage := func(w http.ResponseWriter, _ *http.Request, _ int32) bool {
		_, _ = w.Write([]byte("something else"))
		return true
	}
	loop := func(w http.ResponseWriter, r *http.Request, _ int32) bool {
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		return true
	}
	for _, c := range []struct {
		what, part string
		fault      fault
		says       string // "" where the pull succeeds in the end
	}{
		{"500 once", "/blobs/", status(http.StatusInternalServerError, 1), ""},
		{"503 twice", "/manifests/", status(http.StatusServiceUnavailable, 2), ""},
		{"429 once", "/blobs/", status(http.StatusTooManyRequests, 1), ""},
		{"a reset in the middle of a blob", "/blobs/", reset(1), ""},
		{"hanging up without an answer", "/manifests/", hangUp(3), ""},
		{"500 for ever", "/blobs/", status(http.StatusInternalServerError, always), "500"},
		{"resets for ever", "/blobs/", reset(always), "EOF"},
		{"a redirect loop", "/blobs/", loop, "redirects"},
		{"a blob of another digest", "/blobs/", garbage, "igest"},
		{"a manifest that is none", "/manifests/", garbage, "invalid character"},
		{"a blob that is not there", "/blobs/", status(http.StatusNotFound, always), "404"},
	} {
		t.Run(c.what, func(t *testing.T) {
			cfg, im := newStore(t)
			name := faulty(t, im, c.part, c.fault)
			o := insecure()
			o.Retries, o.RetryDelay = 3, time.Millisecond
			_, err := im.Pull(t.Context(), name, image.PullOptions{Copying: o})
			if c.says == "" {
				if err != nil {
					t.Errorf("was not tried again: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("want one line with %q, got %v", c.says, err)
			}
			nothingLeft(t, cfg)
		})
	}
}

func TestPushGoesOnWhereARegistryHangsUp(t *testing.T) {
	_, im := newStore(t)
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	var parts atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch && parts.Add(1) <= 2 {
			panic(http.ErrAbortHandler)
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	busybox(t, im, "busybox")
	o := insecure()
	o.Retries, o.RetryDelay = 3, time.Millisecond
	name := strings.TrimPrefix(server.URL, "http://") + "/team/busybox:1"
	if _, err := im.Push(t.Context(), "busybox", name, image.PushOptions{Copying: o}); err != nil {
		t.Errorf("was not tried again: %v", err)
	}
}

func TestStalledPullEndsWhenItIsInterrupted(t *testing.T) {
	cfg, im := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	name := faulty(t, im, "/blobs/", func(w http.ResponseWriter, r *http.Request, _ int32) bool {
		w.Header().Set("Content-Length", "1000000")
		_, _ = w.Write(make([]byte, 4096))
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
		return true
	})
	if _, err := im.Pull(ctx, name, image.PullOptions{Copying: insecure()}); !errors.Is(err, context.Canceled) {
		t.Errorf("want an interrupted pull, got %v", err)
	}
	nothingLeft(t, cfg)
}

func TestRegistriesThatFallSilentAreAskedAgain(t *testing.T) {
	silent := func(times int32) fault {
		return func(w http.ResponseWriter, r *http.Request, nth int32) bool {
			if nth > times {
				return false
			}
			if strings.Contains(r.URL.Path, "/blobs/") {
				w.Header().Set("Content-Length", "1000000")
				_, _ = w.Write(make([]byte, 4096))
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
			return true
		}
	}
	for _, part := range []string{"/blobs/", "/manifests/"} {
		for _, times := range []int32{1, always} {
			cfg, im := newStore(t)
			o := insecure()
			o.Retries, o.RetryDelay, o.Patience = 3, time.Millisecond, time.Second
			_, err := im.Pull(t.Context(), faulty(t, im, part, silent(times)), image.PullOptions{Copying: o})
			if times == 1 && err != nil {
				t.Errorf("%s: was not asked again: %v", part, err)
			}
			if times == 1 {
				continue
			}
			if err == nil || !strings.HasPrefix(err.Error(), "cannot pull ") || !strings.Contains(err.Error(), "nothing for 1s") {
				t.Errorf("%s: want to hear of silence, got %v", part, err)
			}
			nothingLeft(t, cfg)
		}
	}
}

// The registry sends the pull to another host, which asks for credentials: it must not get those of the first.
func TestCredentialsStayWithTheirRegistry(t *testing.T) {
	_, im := newStore(t)
	var leaked atomic.Bool
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			leaked.Store(true)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="give"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(thief.Close)
	other := strings.Replace(thief.URL, "127.0.0.1", "localhost", 1) // another host by name
	name := faulty(t, im, "/blobs/", func(w http.ResponseWriter, r *http.Request, _ int32) bool {
		http.Redirect(w, r, other+"/x", http.StatusTemporaryRedirect)
		return true
	})
	o := insecure()
	o.Creds = "joe:secret"
	if _, err := im.Pull(t.Context(), name, image.PullOptions{Copying: o}); err == nil {
		t.Error("the pull succeeded")
	}
	if leaked.Load() {
		t.Error("another host was given the credentials")
	}
}

func TestNewerPullsOnlyWhatChanged(t *testing.T) {
	cfg, im := newStore(t)
	name := faulty(t, im, "/nothing/", nil)
	newer := image.PullOptions{Copying: insecure(), Policy: image.PullNewer}
	for _, c := range []struct {
		what  string
		local bool
	}{{"absent", false}, {"the same", true}} {
		if pulled, err := im.Pull(t.Context(), name, newer); err != nil || pulled[0].Local != c.local {
			t.Errorf("%s: %+v, %v", c.what, pulled, err)
		}
	}
	busybox(t, im, "other")
	if _, err := im.Push(t.Context(), "other", name, image.PushOptions{Copying: insecure()}); err != nil {
		t.Fatal(err)
	}
	before, err := storage.Resolve(cfg, name)
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := im.Pull(t.Context(), name, newer)
	if err != nil || pulled[0].Local || pulled[0].ID == before.ID {
		t.Errorf("another one: %+v, %v", pulled, err)
	}
}
