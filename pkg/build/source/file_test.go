package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/mosscontainers/moss/pkg/build/source"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s *source.Store, identifier string, attrs map[string]string) (*source.Result, error) {
	t.Helper()
	r, err := s.Get(t.Context(), &pb.SourceOp{Identifier: identifier, Attrs: attrs})
	if r != nil {
		t.Cleanup(func() { must(t, r.Close()) })
	}
	return r, err
}

// server serves one file, and writes down what it was asked.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	content  string
	header   http.Header
	requests []*http.Request
}

func serve(t *testing.T, content string) *server {
	t.Helper()
	s := &server{content: content, header: http.Header{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.Clone(context.Background()))
	for key, values := range s.header {
		w.Header()[key] = values
	}
	if to := s.header.Get("Location"); to != "" {
		w.WriteHeader(http.StatusFound)
		return
	}
	if etag := s.header.Get("ETag"); etag != "" && r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = io.WriteString(w, s.content) // the client may be gone
}

func TestAFileIsGotOnce(t *testing.T) {
	web, store := serve(t, "hello"), &source.Store{Dir: t.TempDir()}
	web.header.Set("ETag", `"1"`)
	web.header.Set("Last-Modified", "Sat, 03 Feb 2001 04:05:06 GMT")
	first, err := get(t, store, web.URL+"/dir/greeting", nil)
	must(t, err)
	path := filepath.Join(first.Tree.Root, "greeting")
	b, err := os.ReadFile(path)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if string(b) != "hello" || info.Mode() != 0o600 || info.ModTime().Unix() != 981173106 {
		t.Errorf("%q, %v, %v", b, info.Mode(), info.ModTime())
	}
	if first.Cached || first.Pin != digest.FromString("hello").String() || first.Modified.Unix() != 981173106 {
		t.Errorf("%+v", first)
	}
	again, err := get(t, store, web.URL+"/dir/greeting", nil)
	must(t, err)
	if !again.Cached || again.Key != first.Key || len(web.requests) != 2 {
		t.Errorf("%+v after %d requests", again, len(web.requests))
	}
	web.content = "changed"
	web.header.Set("ETag", `"2"`)
	changed, err := get(t, store, web.URL+"/dir/greeting", nil)
	must(t, err)
	if changed.Key == first.Key || changed.Pin != digest.FromString("changed").String() {
		t.Errorf("%+v", changed)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "hello" {
		t.Errorf("the first build's file is %q now: %v", b, err)
	}
}

func TestAKnownChecksumAsksNobody(t *testing.T) {
	web, store := serve(t, "hello"), &source.Store{Dir: t.TempDir()}
	attrs := map[string]string{"http.checksum": digest.FromString("hello").String()}
	_, err := get(t, store, web.URL+"/f", attrs)
	must(t, err)
	web.content = "changed"
	_, err = get(t, store, web.URL+"/f", nil) // by another step
	must(t, err)
	web.Close()
	_, err = get(t, store, web.URL+"/f", attrs)
	must(t, err)
	_, err = get(t, store, web.URL+"/f", map[string]string{"http.checksum": digest.FromString("other").String()})
	if !errors.Is(err, errdefs.ErrUnavailable) {
		t.Error(err)
	}
}

func TestAWrongChecksumIsRefused(t *testing.T) {
	web, store := serve(t, "hello"), &source.Store{Dir: t.TempDir()}
	wrong := digest.FromString("other").String()
	for range 2 {
		_, err := get(t, store, web.URL+"/f", map[string]string{"http.checksum": wrong})
		if err == nil || !strings.Contains(err.Error(), "its checksum is "+digest.FromString("hello").String()+", not "+wrong) {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(store.Dir, "trees"))
	must(t, err)
	if len(entries) != 0 {
		t.Error(entries)
	}
}

func TestFilesAreCalledAsTheServerSays(t *testing.T) {
	for _, test := range []struct{ path, disposition, attr, want string }{
		{"/a/b.txt?x=1", "", "", "b.txt"},
		{"/", "", "", "download"},
		{"/b", `attachment; filename="c.txt"`, "", "c.txt"},
		{"/b", `attachment; filename="../../etc/passwd"`, "", "passwd"},
		{"/b", `attachment; filename=".."`, "", "download"},
		{"/b", "attachment; filename*=UTF-8''a%0Ab", "", "download"},
		{"/b", `attachment; filename="c.txt"`, "d", "d"},
		{"/b", "", "../x/../y", "y"},
		{"/%2e%2e%2f%2e%2e", "", "", "download"},
	} {
		t.Run(test.path+test.disposition+test.attr, func(t *testing.T) {
			web, store := serve(t, "x"), &source.Store{Dir: t.TempDir()}
			web.header.Set("Content-Disposition", test.disposition)
			r, err := get(t, store, web.URL+test.path, map[string]string{"http.filename": test.attr})
			must(t, err)
			if _, err := os.Lstat(filepath.Join(r.Tree.Root, test.want)); err != nil || r.Name != test.want {
				t.Errorf("%q: %v", r.Name, err)
			}
		})
	}
}

func TestCredentialsGoNowhereElse(t *testing.T) {
	other, web := serve(t, "x"), serve(t, "")
	host := strings.TrimPrefix(other.URL, "http://127.0.0.1") // the same address is another host with another port or name
	for _, to := range []string{other.URL + "/f", "http://localhost" + host + "/f"} {
		web.header.Set("Location", to)
		store := &source.Store{Dir: t.TempDir(), Secret: func(id string) ([]byte, bool, error) {
			return []byte("s3cret\n"), id == "HTTP_AUTH_TOKEN_127.0.0.1", nil
		}}
		_, err := get(t, store, web.URL+"/f", nil)
		must(t, err)
	}
	for _, r := range web.requests {
		if got := r.Header.Get("Authorization"); got != "Bearer s3cret" {
			t.Errorf("the server got %q", got)
		}
	}
	for _, r := range other.requests {
		if got := fmt.Sprint(r.Header); strings.Contains(got, "s3cret") {
			t.Errorf("the other one got %s", got)
		}
	}
	if len(web.requests) != 2 || len(other.requests) != 2 {
		t.Error(len(web.requests), len(other.requests))
	}
}

func TestServersThatFail(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		kind    error
		want    string
	}{
		{"not there", status(404), errdefs.ErrNotFound, "the server answered 404 Not Found"},
		{"not allowed", status(403), errdefs.ErrDenied, "the server answered 403 Forbidden"},
		{"broken", status(500), errdefs.ErrUnavailable, "the server answered 500"},
		{"not modified, unasked", status(304), errdefs.ErrUnavailable, "the server answered 304"},
		{"in a circle", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/f", http.StatusFound) }, errdefs.ErrUnavailable, "send us on and on"},
		{"to a file", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(302)
		}, errdefs.ErrUnavailable, "a file URL"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "short")
		}, io.ErrUnexpectedEOF, "unexpected EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			web := httptest.NewServer(test.handler)
			defer web.Close()
			store := &source.Store{Dir: t.TempDir()}
			_, err := get(t, store, strings.Replace(web.URL, "http://", "http://user:s3cret@", 1)+"/f", nil)
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret") {
				t.Error(err)
			}
			entries, _ := os.ReadDir(filepath.Join(store.Dir, "trees"))
			if len(entries) != 0 {
				t.Errorf("left: %v", entries)
			}
		})
	}
}

func TestWhatIsUsedIsNotPruned(t *testing.T) {
	web, store := serve(t, "hello"), &source.Store{Dir: t.TempDir()}
	web.header.Set("ETag", `"1"`)
	op := &pb.SourceOp{Identifier: web.URL + "/f"}
	r, err := store.Get(t.Context(), op)
	must(t, err)
	future := time.Now().Add(time.Hour)
	if freed, err := store.Prune(future); err != nil || freed != 0 {
		t.Errorf("%d bytes, %v", freed, err)
	}
	must(t, r.Close())
	if freed, err := store.Prune(time.Now().Add(-time.Hour)); err != nil || freed != 0 {
		t.Errorf("what was used lately: %d bytes, %v", freed, err)
	}
	if freed, err := store.Prune(future); err != nil || freed == 0 {
		t.Errorf("%d bytes, %v", freed, err)
	}
	r, err = get(t, store, web.URL+"/f", nil)
	must(t, err)
	if r.Cached {
		t.Error("it is there still")
	}
}

func TestADamagedMemoryIsForgotten(t *testing.T) {
	web, store := serve(t, "hello"), &source.Store{Dir: t.TempDir()}
	web.header.Set("ETag", `"1"`)
	for _, damage := range []string{"", "{", `{"Key":"../../x","Name":"f"}`, `{"Key":"` + strings.Repeat("a", 64) + `","Name":"../f"}`} {
		_, err := get(t, store, web.URL+"/f", nil)
		must(t, err)
		files, err := filepath.Glob(filepath.Join(store.Dir, "http", "*"))
		must(t, err)
		for _, path := range files {
			if !strings.HasSuffix(path, ".lock") {
				must(t, os.WriteFile(path, []byte(damage), 0o600))
			}
		}
	}
	r, err := get(t, store, web.URL+"/f", nil)
	must(t, err)
	if _, err := os.Stat(filepath.Join(r.Tree.Root, "f")); err != nil {
		t.Error(err)
	}
}
