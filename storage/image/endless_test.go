package image_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mosscontainers/moss/storage/image"
)

// A registry may answer a question for names without ever coming to an end: in pages, or in one.
func TestEndlessListsAreGivenUp(t *testing.T) {
	pages := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", fmt.Sprintf(`<%s?n=1>; rel="next"`, r.URL.Path))
		_, _ = w.Write([]byte(`{"tags":["1"],"repositories":["team/x"]}`))
	}
	blanks := func(w http.ResponseWriter, _ *http.Request) {
		some := []byte(strings.Repeat(" ", 1<<20))
		for err := error(nil); err == nil; {
			_, err = w.Write(some)
		}
	}
	for _, c := range []struct {
		what, says string
		answer     http.HandlerFunc
	}{{"pages", "more than 2000 pages", pages}, {"blanks", "more than 256 MiB", blanks}} {
		t.Run(c.what, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasSuffix(r.URL.Path, "/tags/list"), strings.HasSuffix(r.URL.Path, "/_catalog"):
					c.answer(w, r)
				case r.URL.Path != "/v2/":
					http.NotFound(w, r)
				}
			}))
			defer server.Close()
			cfg, im := newStore(t)
			host := strings.TrimPrefix(server.URL, "http://")
			o := image.SearchOptions{Registry: insecure().Registry}
			_, searched := image.Search(t.Context(), cfg, host+"/nothing", o)
			_, _, listed := image.RemoteTags(t.Context(), cfg, host+"/team/x", o)
			_, pulled := im.Pull(t.Context(), host+"/team/x", image.PullOptions{Copying: insecure(), AllTags: true})
			for _, err := range []error{searched, listed, pulled} {
				if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "cannot ") {
					t.Errorf("want %q, got %v", c.says, err)
				}
			}
		})
	}
}

// What a registry says of a mistake may be as long as it likes, and is a sentence all the same.
func TestLongErrorsAreCut(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":%q}]}`, strings.Repeat("no ", 10000))
		}
	}))
	defer server.Close()
	_, im := newStore(t)
	_, err := im.Pull(t.Context(), strings.TrimPrefix(server.URL, "http://")+"/x", image.PullOptions{Copying: insecure()})
	if err == nil || len(err.Error()) > 3000 || !strings.HasSuffix(err.Error(), "moss login`") {
		t.Errorf("want a short sentence, got %v", err)
	}
}
