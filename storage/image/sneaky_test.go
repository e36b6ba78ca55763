package image_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/mosscontainers/moss/storage/image"
)

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	emptyConfig = `{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"]}}`
)

// sly is a registry that answers every manifest with the same text, has one configuration, and counts what else is asked for.
func sly(t *testing.T, mime, manifest string, asked *atomic.Int32) (name string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", mime)
			_, _ = w.Write([]byte(manifest))
		case strings.HasSuffix(r.URL.Path, digest.FromString(emptyConfig).String()):
			_, _ = w.Write([]byte(emptyConfig))
		case strings.Contains(r.URL.Path, "/blobs/"):
			asked.Add(1)
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://") + "/team/sly:1"
}

func slyManifest(config, layer, more string) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},`+
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":%q,"size":2%s}]}`, ociManifest, config, len(emptyConfig), layer, more)
}

func TestManifestsThatLieAreRefused(t *testing.T) {
	config, layer := digest.FromString(emptyConfig).String(), digest.FromString("{}").String()
	for _, c := range []struct{ what, mime, manifest, says string }{
		{"a layer whose digest is a path", ociManifest, slyManifest(config, "sha256:../../x", ""), "digest"},
		{"a layer whose digest is too short", ociManifest, slyManifest(config, "sha256:44136f", ""), "digest"},
		{"a configuration whose digest is a path", ociManifest, slyManifest("sha256:../../../../etc/passwd", layer, ""), "digest"},
		{"a digest of an algorithm that nobody has", ociManifest, slyManifest(config, "md5:44136fa355b3678a1146ad16f7e8649e", ""), "digest"},
		{"an image of a list whose digest is a path", ociIndex, `{"schemaVersion":2,"mediaType":"` + ociIndex + `","manifests":[{"mediaType":"` + ociManifest + `","digest":"sha256:../../x","size":2,"platform":{"os":"linux","architecture":"amd64"}}]}`, "digest"},
		{"both an image and a list", ociManifest, strings.TrimSuffix(slyManifest(config, layer, ""), "}") + `,"manifests":[]}`, "manifest"},
		{"a web page", "text/html", "<html>Log in</html>", "what answers there does not speak as registries do"},
		{"a manifest without end", ociManifest, slyManifest(config, layer, `,"annotations":{"a":"`+strings.Repeat("a", 5<<20)+`"}`), "size"},
	} {
		t.Run(c.what, func(t *testing.T) {
			cfg, im := newStore(t)
			_, err := im.Pull(t.Context(), sly(t, c.mime, c.manifest, new(atomic.Int32)), image.PullOptions{Copying: insecure()})
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("want one line with %q, got %v", c.says, err)
			}
			nothingLeft(t, cfg)
		})
	}
}

// A foreign layer is on another host, whose name the manifest says. Whatever that host asks for, it gets no credentials.
func TestForeignLayersGetNoCredentials(t *testing.T) {
	var leaked, visits atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visits.Add(1)
		if r.Header.Get("Authorization") != "" {
			leaked.Add(1)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="give"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(thief.Close)
	config, layer := digest.FromString(emptyConfig).String(), digest.FromString("{}").String()
	manifest := strings.Replace(slyManifest(config, layer, fmt.Sprintf(`,"urls":[%q]`, thief.URL+"/layer")),
		"layer.v1.tar+gzip", "layer.nondistributable.v1.tar+gzip", 1)
	cfg, im := newStore(t)
	o := insecure()
	o.Creds = "joe:secret"
	if _, err := im.Pull(t.Context(), sly(t, ociManifest, manifest, new(atomic.Int32)), image.PullOptions{Copying: o}); err == nil {
		t.Error("the pull succeeded")
	}
	if visits.Load() == 0 {
		t.Error("the foreign layer was not asked for")
	}
	if leaked.Load() > 0 {
		t.Error("another host was given the credentials")
	}
	nothingLeft(t, cfg)
}

// What a registry says is printed: it must not steer the terminal, nor break the table.
func TestSearchResultsAreOneLineEach(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/search" {
			_, _ = w.Write([]byte(`{"results":[{"name":"team/x","description":"first\nsecond\u001b[2J\u0007 line","star_count":3,"is_official":true},{"name":"team/y"},{"name":"team/z"}]}`))
		}
	}))
	t.Cleanup(server.Close)
	cfg, _ := newStore(t)
	host := strings.TrimPrefix(server.URL, "http://")
	got, err := image.Search(t.Context(), cfg, host+"/x", image.SearchOptions{Registry: insecure().Registry, Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Images) != 2 {
		t.Errorf("want as many as the limit says, got %+v", got.Images)
	}
	want := image.Found{Index: host, Name: host + "/team/x", Description: "first second [2J line", Stars: 3, Official: true}
	if got.Images[0] != want {
		t.Errorf("got %+v, want %+v", got.Images[0], want)
	}
}

// The title of an artifact's file is anybody's text.
func TestTitlesOfArtifactsStayInTheDirectory(t *testing.T) {
	_, im := newStore(t)
	artifacts, err := im.Artifacts()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeFile(t, dir+"/file", "content")
	for i, title := range []string{"../outside", "/outside", "..", "a/b"} {
		name := fmt.Sprintf("example.org/sly:%d", i)
		o := image.ArtifactOptions{Annotations: map[string]string{"org.opencontainers.image.title": title}}
		if _, err := artifacts.Add(t.Context(), name, []string{dir + "/file"}, o); err != nil {
			t.Fatal(err)
		}
		if err := artifacts.Extract(t.Context(), name, t.TempDir(), image.Part{}); err == nil || !strings.Contains(err.Error(), "leads out") {
			t.Errorf("%s: want a refusal, got %v", title, err)
		}
	}
}
