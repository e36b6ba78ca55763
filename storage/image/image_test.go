package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/image"
	"github.com/mosscontainers/moss/storage/store"
)

// TestMain puts an unprivileged user into a user namespace, which writing the store needs.
func TestMain(m *testing.M) {
	if store.Reexec() {
		return
	}
	if os.Geteuid() != 0 {
		os.Exit(inNamespace())
	}
	os.Exit(m.Run())
}

func inNamespace() int {
	cmd := exec.Command("unshare", append([]string{"--map-auto", "--map-root-user", "--mount", "/proc/self/exe"}, os.Args[1:]...)...)
	cmd.Args[4] = os.Args[0]
	cmd.Env = append(os.Environ(), "_CONTAINERS_USERNS_CONFIGURED=done", fmt.Sprintf("_CONTAINERS_ROOTLESS_UID=%d", os.Getuid()), fmt.Sprintf("_CONTAINERS_ROOTLESS_GID=%d", os.Getgid()))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return 1
	}
	return 0
}

// newStore is an empty store and a configuration without any file of the machine.
func newStore(t testing.TB) (*config.Config, *image.Images) {
	t.Helper()
	return configured(t, "")
}

// configured is newStore with a storage.conf.
func configured(t testing.TB, conf string) (*config.Config, *image.Images) {
	t.Helper()
	home := t.TempDir()
	empty := filepath.Join(home, "empty.conf")
	policy := filepath.Join(home, "policy.json")
	storageConf := filepath.Join(home, "storage.conf")
	writeFile(t, empty, "")
	writeFile(t, storageConf, conf)
	writeFile(t, policy, `{"default":[{"type":"insecureAcceptAnything"}]}`)
	for key, value := range map[string]string{
		"HOME": home, "XDG_RUNTIME_DIR": home, "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": "", "XDG_DATA_HOME": "",
		"CONTAINERS_CONF": empty, "CONTAINERS_STORAGE_CONF": storageConf, "CONTAINERS_REGISTRIES_CONF": empty, "CONTAINERS_POLICY_JSON": policy,
		"REGISTRY_AUTH_FILE": "",
	} {
		t.Setenv(key, value)
	}
	cfg, err := config.Load(config.Overrides{Root: home + "/graph", RunRoot: home + "/run"})
	if err != nil {
		t.Fatal(err)
	}
	im, err := image.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := im.Close(); err != nil {
			t.Error(err)
		}
	})
	return cfg, im
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// archive is a tar of headers, each with its content.
func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.Size = int64(len(e.content))
		if e.Mode == 0 {
			e.Mode = 0o755
		}
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type entry struct {
	tar.Header
	content string
}

func file(name, content string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg}, content}
}

// busybox imports a small real image.
func busybox(t testing.TB, im *image.Images, name string) string {
	t.Helper()
	program, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	tarball := archive(t,
		entry{tar.Header{Name: "bin/", Typeflag: tar.TypeDir}, ""},
		file("bin/busybox", string(program)),
		entry{tar.Header{Name: "bin/sh", Typeflag: tar.TypeSymlink, Linkname: "busybox"}, ""})
	id, err := im.Import(t.Context(), "-", bytes.NewReader(tarball), image.ImportOptions{Name: name, Changes: []string{"CMD [\"/bin/sh\"]", "ENV A=1 B='x y'", "LABEL who=moss"}})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func serve(t *testing.T) (host string) {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func insecure() image.Copying {
	no := false
	return image.Copying{Registry: image.Registry{TLSVerify: &no}}
}

func TestImportedImageIsFoundByEveryName(t *testing.T) {
	cfg, im := newStore(t)
	id := busybox(t, im, "busybox")
	for _, name := range []string{"busybox", "busybox:latest", "localhost/busybox", id, "sha256:" + id, names.Short(id), id[:4]} {
		for _, round := range []string{"first", "remembered"} {
			img, err := storage.Resolve(cfg, name)
			if err != nil {
				t.Fatalf("%s (%s): %v", name, round, err)
			}
			if img.ID != id || len(img.Lower) != 1 || img.Config.Cmd[0] != "/bin/sh" {
				t.Errorf("%s (%s): %+v", name, round, img)
			}
			if _, err := os.Stat(filepath.Join(img.Home, img.Lower[0], "bin/busybox")); err != nil {
				t.Errorf("%s (%s): %v", name, round, err)
			}
		}
	}
	img, _ := storage.Resolve(cfg, id)
	if got := strings.Join(img.Config.Env, "|"); got != "A=1|B=x y" {
		t.Errorf("ENV: %q", got)
	}
	byDigest := "localhost/busybox@" + img.Digests[0]
	if found, err := storage.Resolve(cfg, byDigest); err != nil || found.ID != id {
		t.Errorf("%s: %v", byDigest, err)
	}
}

// TestImageOfAContainerThatJustCameIsKept lets a container come between the question who uses the image and the removal of
// the pin.
func TestImageOfAContainerThatJustCameIsKept(t *testing.T) {
	cfg, im := newStore(t)
	busybox(t, im, "one")
	id := resolve(t, cfg, "one").ID
	if err := im.Store().Pin(id); err != nil {
		t.Fatal(err)
	}
	came := func(string) ([]string, error) {
		if storage.Pinned(cfg.Storage, id) {
			return nil, nil
		}
		return []string{"web"}, nil
	}
	_, err := im.Remove(t.Context(), "one", image.RemoveOptions{InUse: came})
	if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "web") {
		t.Errorf("rmi: %v", err)
	}
	if !storage.Pinned(cfg.Storage, id) {
		t.Error("rmi left the image without its pin")
	}
	if pruned, err := im.Prune(t.Context(), image.PruneOptions{All: true, InUse: came}); err != nil || len(pruned.Deleted) > 0 {
		t.Errorf("prune: %+v, %v", pruned, err)
	}
	if err := im.UnpinUnused(came); err != nil {
		t.Error(err)
	}
	if !storage.Pinned(cfg.Storage, id) {
		t.Error("prune left the image without its pin")
	}
	resolve(t, cfg, "one")
}

func TestRemovedImageIsForgotten(t *testing.T) {
	cfg, im := newStore(t)
	busybox(t, im, "one")
	if err := im.Tag("one", []string{"two"}); err != nil {
		t.Fatal(err)
	}
	id := resolve(t, cfg, "two").ID
	if removed, err := im.Remove(t.Context(), "one", image.RemoveOptions{}); err != nil || removed.Deleted != "" {
		t.Fatalf("a name of two: %+v, %v", removed, err)
	}
	_, err := im.Remove(t.Context(), "two", image.RemoveOptions{InUse: func(string) ([]string, error) { return []string{"web"}, nil }})
	if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "web") {
		t.Errorf("in use: %v", err)
	}
	if err := im.Store().Pin(id); err != nil || !storage.Pinned(cfg.Storage, id) {
		t.Fatalf("pin: %v", err)
	}
	if removed, err := im.Remove(t.Context(), "two", image.RemoveOptions{}); err != nil || removed.Deleted != id {
		t.Fatalf("the last name: %+v, %v", removed, err)
	}
	if _, err := storage.Resolve(cfg, "two"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a removed image is found: %v", err)
	}
	if storage.Pinned(cfg.Storage, id) {
		t.Error("the pin is left")
	}
}

func resolve(t *testing.T, cfg *config.Config, name string) *storage.Image {
	t.Helper()
	img, err := storage.Resolve(cfg, name)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestPushPullByTagAndDigest(t *testing.T) {
	cfg, im := newStore(t)
	host := serve(t)
	id := busybox(t, im, "busybox")
	digest, err := im.Push(t.Context(), "busybox", host+"/team/busybox:1", image.PushOptions{Copying: insecure()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := im.Remove(t.Context(), id, image.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{host + "/team/busybox:1", host + "/team/busybox@" + digest.String(), "docker://" + host + "/team/busybox:1"} {
		pulled, err := im.Pull(t.Context(), name, image.PullOptions{Copying: insecure()})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if pulled[0].ID != id {
			t.Errorf("%s: another image came back", name)
		}
		if img := resolve(t, cfg, name); img.ID != id {
			t.Errorf("%s: not found after its pull", name)
		}
	}
	all, err := im.Pull(t.Context(), host+"/team/busybox", image.PullOptions{Copying: insecure(), AllTags: true})
	if err != nil || len(all) != 1 {
		t.Errorf("all tags: %v, %v", all, err)
	}
}

func TestPullPolicies(t *testing.T) {
	_, im := newStore(t)
	busybox(t, im, "busybox")
	for _, policy := range []image.Policy{image.PullNever, image.PullMissing} {
		if pulled, err := im.Pull(t.Context(), "busybox", image.PullOptions{Policy: policy}); err != nil || !pulled[0].Local {
			t.Errorf("%s: %v, %v", policy, pulled, err)
		}
	}
	if _, err := im.Pull(t.Context(), "absent", image.PullOptions{Policy: image.PullNever}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("never: %v", err)
	}
	other := image.PullOptions{Policy: image.PullNever, Platform: image.Platform{Arch: "s390x"}}
	if pulled, err := im.Pull(t.Context(), "busybox", other); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("for another platform: %v, %v", pulled, err)
	}
	own := image.PullOptions{Policy: image.PullMissing, Platform: image.Platform{OS: "linux", Arch: runtime.GOARCH}}
	if pulled, err := im.Pull(t.Context(), "busybox", own); err != nil || !pulled[0].Local {
		t.Errorf("for this platform: %v, %v", pulled, err)
	}
}

func TestRegistryErrorsSayWhatToDo(t *testing.T) {
	_, im := newStore(t)
	host := serve(t)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	denied := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(denied.Close)
	for _, c := range []struct {
		what, name string
		options    image.Copying
		kind       error
		says       string
	}{
		{"unknown image", host + "/absent:1", insecure(), errdefs.ErrNotFound, "check the name"},
		{"plain HTTP", host + "/absent:1", image.Copying{}, errdefs.ErrUnavailable, "--tls-verify=false"},
		{"nothing listens", strings.TrimPrefix(closed.URL, "http://") + "/x", insecure(), errdefs.ErrUnavailable, "nothing listens"},
		{"no such host", "registry.invalid/x", insecure(), errdefs.ErrUnavailable, "check the name of the registry"},
		{"not logged in", strings.TrimPrefix(denied.URL, "http://") + "/x", insecure(), errdefs.ErrDenied, "moss login"},
		{"not a name", "UPPER/Case", insecure(), errdefs.ErrInvalid, "lowercase"},
		{"an id", strings.Repeat("a", 64), insecure(), errdefs.ErrNotFound, "an id"},
	} {
		_, err := im.Pull(t.Context(), c.name, image.PullOptions{Copying: c.options})
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: want %v and %q, got %v", c.what, c.kind, c.says, err)
		}
	}
}

func TestTransientErrorsAreTriedAgain(t *testing.T) {
	_, im := newStore(t)
	failures := 2
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/manifests/") && r.Method == http.MethodGet && failures > 0 {
			failures--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	name := strings.TrimPrefix(server.URL, "http://") + "/busybox:1"
	busybox(t, im, "busybox")
	if _, err := im.Push(t.Context(), "busybox", name, image.PushOptions{Copying: insecure()}); err != nil {
		t.Fatal(err)
	}
	o := insecure()
	o.Retries, o.RetryDelay = 3, 1
	if _, err := im.Pull(t.Context(), name, image.PullOptions{Copying: o}); err != nil {
		t.Errorf("after two failures: %v", err)
	}
}

func TestSaveAndLoadEveryFormat(t *testing.T) {
	for _, format := range []string{image.DockerArchive, image.OCIArchive, image.OCIDir, image.DockerDir} {
		t.Run(format, func(t *testing.T) {
			cfg, im := newStore(t)
			id := busybox(t, im, "busybox")
			path := filepath.Join(t.TempDir(), "saved")
			if err := im.Save(t.Context(), []string{"busybox"}, path, image.SaveOptions{Format: format}); err != nil {
				t.Fatal(err)
			}
			if _, err := im.Remove(t.Context(), id, image.RemoveOptions{}); err != nil {
				t.Fatal(err)
			}
			loaded, err := im.Load(t.Context(), path, nil)
			if err != nil {
				t.Fatal(err)
			}
			name := loaded[0].ID
			if format != image.DockerDir { // a plain directory has no place for the name
				name = "localhost/busybox"
			}
			if img := resolve(t, cfg, name); img.Config.Labels["who"] != "moss" {
				t.Errorf("another image came back: %+v", img)
			}
		})
	}
}

func TestLoadSaysWhichNamesItTakes(t *testing.T) {
	_, im := newStore(t)
	first := busybox(t, im, "busybox")
	path := filepath.Join(t.TempDir(), "saved.tar")
	if err := im.Save(t.Context(), []string{"busybox"}, path, image.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	other, err := im.Import(t.Context(), "-", bytes.NewReader(archive(t, file("other", "x"))), image.ImportOptions{Name: "busybox"})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	loaded, err := im.LoadStream(t.Context(), stream, nil)
	if err != nil {
		t.Fatal(err)
	}
	if loaded[0].Replaced["localhost/busybox:latest"] != other || loaded[0].ID == other {
		t.Errorf("the overwritten name is not reported: %+v (first was %s)", loaded, first)
	}
}

func TestHelloIsTheSameEverywhere(t *testing.T) {
	_, im := newStore(t)
	id, err := im.EnsureHello(t.Context())
	if errors.Is(err, errdefs.ErrUnavailable) {
		t.Skip("built without the program: make build")
	}
	if err != nil {
		t.Fatal(err)
	}
	_, other := newStore(t)
	again, err := other.EnsureHello(t.Context())
	if err != nil || again != id {
		t.Errorf("another store made another image: %s, %s, %v", id, again, err)
	}
}

func TestCommitKeepsChangesAndDeletions(t *testing.T) {
	cfg, im := newStore(t)
	base, err := im.Import(t.Context(), "-", bytes.NewReader(archive(t, file("keep", "1"), file("gone", "2"))), image.ImportOptions{Name: "base"})
	if err != nil {
		t.Fatal(err)
	}
	img := resolve(t, cfg, base)
	upper, work, merged := t.TempDir(), t.TempDir(), t.TempDir()
	mount := exec.Command("unshare", "--mount", "sh", "-ec", `mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3,userxattr" "$4"; rm "$4/gone"; echo new >"$4/added"`,
		"sh", filepath.Join(img.Home, img.Lower[0]), upper, work, merged)
	if out, err := mount.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	id, err := im.Commit(t.Context(), image.CommitOptions{ImageID: base, Upper: store.Upper{Dir: upper}, Names: []string{"derived"}, Changes: []string{"WORKDIR /x"}})
	if err != nil {
		t.Fatal(err)
	}
	derived := resolve(t, cfg, "derived")
	if derived.ID != id || len(derived.Lower) != 2 || derived.Config.WorkingDir != "/x" {
		t.Fatalf("%+v", derived)
	}
	top := filepath.Join(derived.Home, derived.Lower[0])
	if info, err := os.Lstat(filepath.Join(top, "gone")); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Errorf("the deletion is lost: %v", err)
	}
	if data, err := os.ReadFile(filepath.Join(top, "added")); err != nil || string(data) != "new\n" {
		t.Errorf("the change is lost: %q, %v", data, err)
	}
	host := serve(t)
	if _, err := im.Push(t.Context(), "derived", host+"/derived", image.PushOptions{Copying: insecure()}); err != nil {
		t.Errorf("a committed image cannot be pushed: %v", err)
	}
}

func TestHostileArchivesAreRefused(t *testing.T) {
	for _, c := range []struct{ what, manifest string }{
		{"a digest that is a path", `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:../../../../etc/passwd","size":2},"layers":[]}`},
		{"a digest that is too short", `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:abc","size":2},"layers":[]}`},
		{"manifests and layers in one", `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[],"manifests":[]}`},
	} {
		t.Run(c.what, func(t *testing.T) {
			cfg, im := newStore(t)
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "version"), "Directory Transport Version: 1.1\n")
			writeFile(t, filepath.Join(dir, "manifest.json"), c.manifest)
			writeFile(t, filepath.Join(dir, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"), "{}")
			if loaded, err := im.Load(t.Context(), dir, nil); err == nil {
				t.Errorf("loaded as %+v", loaded)
			}
			nothingLeft(t, cfg)
		})
	}
}

func TestHostileLayersStayInside(t *testing.T) {
	outside := t.TempDir()
	for _, c := range []struct {
		what    string
		entries []entry
	}{
		{"a path that climbs", []entry{file("../../escaped", "x")}},
		{"a link and a write through it", []entry{{tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: outside}, ""}, file("link/escaped", "x")}},
		{"a hard link to outside", []entry{{tar.Header{Name: "hard", Typeflag: tar.TypeLink, Linkname: outside + "/planted"}, ""}}},
		{"a whiteout through a link", []entry{{tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: outside}, ""}, file("link/.wh.planted", "")}},
		{"a size that is a lie", []entry{{tar.Header{Name: "huge", Typeflag: tar.TypeReg}, ""}}},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, im := newStore(t)
			writeFile(t, filepath.Join(outside, "planted"), "safe")
			_, err := im.Import(t.Context(), "-", bytes.NewReader(archive(t, c.entries...)), image.ImportOptions{})
			t.Logf("import: %v", err)
			if _, err := os.Stat(filepath.Join(outside, "escaped")); err == nil {
				t.Error("a file was written outside of the layer")
			}
			if data, err := os.ReadFile(filepath.Join(outside, "planted")); err != nil || string(data) != "safe" {
				t.Errorf("a file outside was touched: %q, %v", data, err)
			}
			entries, err := os.ReadDir(outside)
			if err != nil || len(entries) != 1 {
				t.Errorf("the directory outside was touched: %v, %v", entries, err)
			}
		})
	}
}

func TestInterruptedImportLeavesNothing(t *testing.T) {
	cfg, im := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	whole := archive(t, file("a", strings.Repeat("x", 1<<20)), file("b", strings.Repeat("y", 1<<20)))
	stream := io.MultiReader(bytes.NewReader(whole[:1<<20]), readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, context.Canceled
	}))
	if _, err := im.Import(ctx, "-", stream, image.ImportOptions{Name: "half"}); err == nil {
		t.Error("half an archive was imported")
	}
	nothingLeft(t, cfg)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// nothingLeft looks for images, layers and temporary files.
func nothingLeft(t *testing.T, cfg *config.Config) {
	t.Helper()
	images, err := storage.ListImages(cfg.Storage)
	if err != nil || len(images) > 0 {
		t.Errorf("images are left: %+v, %v", images, err)
	}
	entries, err := os.ReadDir(filepath.Join(cfg.Storage.GraphRoot, "overlay"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if len(e.Name()) == 64 {
			t.Errorf("the layer %s is left", e.Name())
		}
	}
	var layers []any
	data, err := os.ReadFile(filepath.Join(cfg.Storage.GraphRoot, "overlay-layers/layers.json"))
	if err == nil && json.Unmarshal(data, &layers) == nil && len(layers) > 0 {
		t.Errorf("layers are recorded: %s", data)
	}
}

func BenchmarkResolveRemembered(b *testing.B) {
	cfg, im := newStore(b)
	busybox(b, im, "busybox")
	for b.Loop() {
		if _, err := storage.Resolve(cfg, "busybox"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResolveAnew(b *testing.B) {
	cfg, im := newStore(b)
	busybox(b, im, "busybox")
	for b.Loop() {
		if err := im.Store().ForgetAnswers(); err != nil {
			b.Fatal(err)
		}
		if _, err := storage.Resolve(cfg, "busybox"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkListImages(b *testing.B) {
	cfg, im := newStore(b)
	busybox(b, im, "busybox")
	for b.Loop() {
		if _, err := storage.ListImages(cfg.Storage); err != nil {
			b.Fatal(err)
		}
	}
}
