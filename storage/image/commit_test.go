package image_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.podman.io/storage/pkg/idtools"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/image"
	"github.com/mosscontainers/moss/storage/store"
)

// show prints all that a container sees of the files: the digest of a layer does not tell whether deletions hold.
const show = `cd "$merged"; find . -printf '%P %y %m %U %G %l %n\n' | sort | grep -v '^ '; find . -type f | sort | xargs tail -n +1`

// changes are what a container can do to files of its image.
const changes = `cd "$merged"; rm gone; rm -r dir; mkdir dir; echo new >dir/new; echo added >added; ln added link; ln -s added soft
mkfifo pipe; mkdir -m 1777 tmp; chown 5:6 tmp; chmod 4755 added; echo more >>keep; mv deep/er/moved moved
`

// overlaid runs a script in an overlay of an image, with upper where that is not "", and returns what it prints.
func overlaid(t *testing.T, img *storage.Image, upper, script string) string {
	t.Helper()
	var below []string
	for _, l := range img.Lower {
		below = append(below, filepath.Join(img.Home, l))
	}
	options := "ro,lowerdir=" + strings.Join(append(below, t.TempDir()), ":")
	if upper != "" {
		work := upper + ".work"
		if err := os.MkdirAll(work, 0o700); err != nil {
			t.Fatal(err)
		}
		options = "lowerdir=" + strings.Join(below, ":") + ",upperdir=" + upper + ",workdir=" + work
	}
	if os.Getenv("_CONTAINERS_USERNS_CONFIGURED") != "" {
		options += ",userxattr"
	}
	cmd := exec.Command("unshare", "--mount", "sh", "-ec", `merged=$1; mount -t overlay overlay -o "$2" "$1"; `+script, "sh", t.TempDir(), options)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// changed is an image, and a container's upper directory on it beside the store, in which changes were made.
func changed(t *testing.T) (cfg *config.Config, im *image.Images, base *storage.Image, upper string) {
	t.Helper()
	cfg, im = newStore(t)
	id, err := im.Import(t.Context(), "-", bytes.NewReader(archive(t, file("keep", "1"), file("gone", "2"), file("dir/old", "3"), file("deep/er/moved", "4"))), image.ImportOptions{Name: "base"})
	if err != nil {
		t.Fatal(err)
	}
	upper = filepath.Join(cfg.Storage.GraphRoot, "upper")
	if err := os.Mkdir(upper, 0o755); err != nil {
		t.Fatal(err)
	}
	return cfg, im, resolve(t, cfg, id), upper
}

func TestCommittedChangesAreThoseOfTheContainer(t *testing.T) {
	for what, how := range map[string]store.Upper{"copied": {}, "taken": {Take: true}, "while somebody may write": {Changing: true}} {
		t.Run(what, func(t *testing.T) {
			cfg, im, base, upper := changed(t)
			want := overlaid(t, base, upper, changes+show)
			how.Dir = upper
			if _, err := im.Commit(t.Context(), image.CommitOptions{ImageID: base.ID, Upper: how, Names: []string{"derived"}}); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(upper); (err != nil) != how.Take {
				t.Errorf("the upper directory: %v", err)
			}
			if got := overlaid(t, resolve(t, cfg, "derived"), "", show); got != want {
				t.Errorf("the image has other files\n%s\nthan the container\n%s", got, want)
			}
			elsewhere(t, im, want)
		})
	}
}

// elsewhere looks at the image derived in another store, where it came through a registry.
func elsewhere(t *testing.T, im *image.Images, want string) {
	t.Helper()
	name := serve(t) + "/derived:1"
	if _, err := im.Push(t.Context(), "derived", name, image.PushOptions{Copying: insecure()}); err != nil {
		t.Fatal(err)
	}
	cfg, other := newStore(t)
	if _, err := other.Pull(t.Context(), name, image.PullOptions{Copying: insecure()}); err != nil {
		t.Fatal(err)
	}
	if got := overlaid(t, resolve(t, cfg, name), "", show); got != want {
		t.Errorf("pulled, the image has other files\n%s\nthan the container\n%s", got, want)
	}
}

func TestTakenLayerHasTheDigestOfACopiedOne(t *testing.T) {
	_, im, base, upper := changed(t)
	overlaid(t, base, upper, changes)
	commit := func(how store.Upper) *store.Layer {
		how.Dir, how.Exclude = upper, []string{"moved"}
		l, err := im.Store().CommitLayer(t.Context(), base.Layers[0], how)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	copied := commit(store.Upper{})
	if err := im.Store().DeleteLayer(copied.ID); err != nil {
		t.Fatal(err)
	}
	still := commit(store.Upper{Changing: true})
	if err := im.Store().DeleteLayer(still.ID); err != nil {
		t.Fatal(err)
	}
	taken := commit(store.Upper{Take: true})
	if *taken != *copied || *still != *copied {
		t.Errorf("%+v, %+v, and %+v", taken, still, copied)
	}
}

// Whoever writes in a container while it is committed swaps files and directories for links to what is the user's, for pipes, and for longer and shorter files.
func TestATreeThatChangesLeadsNowhereElse(t *testing.T) {
	_, im := newStore(t)
	home := im.Store().Config().GraphRoot
	upper, outside := filepath.Join(home, "upper"), filepath.Join(home, "outside")
	for _, dir := range []string{upper, outside} {
		if err := os.MkdirAll(filepath.Join(dir, "dir"), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "dir", "file"), filepath.Base(dir))
	}
	swap := exec.Command("sh", "-c", `cd "$1"; while :; do
		mv dir away; ln -s ../outside/dir dir; rm dir; mv away dir
		ln -sf ../../outside/dir/file dir/file; rm dir/file; mkfifo dir/file; rm dir/file; printf upper-upper-upper >dir/file; : >dir/file; printf upper >dir/file
	done`, "sh", upper)
	if err := swap.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(swap.Process.Kill(), swap.Wait()) }() // it was killed
	for range 50 {
		l, err := im.Store().CommitLayer(t.Context(), "", store.Upper{Dir: upper, Changing: true})
		if err != nil {
			t.Fatal(err)
		}
		found, err := exec.Command("grep", "-rl", "outside", filepath.Join(home, "overlay", l.ID, "diff")).Output()
		if len(found) > 0 || err == nil {
			t.Fatalf("the layer has %s", found)
		}
		if err := im.Store().DeleteLayer(l.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// The library leaves out what it cannot read, as here a file whose owner no id maps to, and says so only in its log.
func TestNoLayerIsMadeOfAPartOfTheFiles(t *testing.T) {
	_, im := newStore(t)
	only := []idtools.IDMap{{ContainerID: 0, HostID: 0, Size: 1}}
	upper := store.Upper{Dir: filepath.Join(im.Store().Config().GraphRoot, "upper"), UIDMap: only, GIDMap: only}
	if err := os.Mkdir(upper.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(upper.Dir, "file"), "content")
	if err := os.Chown(filepath.Join(upper.Dir, "file"), 5, 6); err != nil {
		t.Fatal(err)
	}
	l, err := im.Store().CommitLayer(t.Context(), "", upper)
	if err == nil || err.Error() != "cannot write a layer: 1 of its files could not be read" {
		t.Errorf("%v, %v", l, err)
	}
	upper.Changing = true // so it may have been removed by whoever changes it
	if _, err := im.Store().CommitLayer(t.Context(), "", upper); err != nil {
		t.Error(err)
	}
}

func TestLatestTimeMakesLayersTheSame(t *testing.T) {
	latest := time.Unix(1_000_000_000, 0)
	_, im := newStore(t)
	var layers []store.Layer
	for range 2 {
		dir := filepath.Join(im.Store().Config().GraphRoot, "upper")
		if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "sub", "file"), "content")
		if err := os.Chtimes(filepath.Join(dir, "sub", "file"), time.Time{}, time.Now().Add(time.Duration(len(layers))*time.Hour)); err != nil {
			t.Fatal(err)
		}
		l, err := im.Store().CommitLayer(t.Context(), "", store.Upper{Dir: dir, Take: true, Latest: latest})
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, *l)
	}
	if layers[0] != layers[1] {
		t.Errorf("%+v differs from %+v", layers[0], layers[1])
	}
}

func TestRebasedLayersAreTheSameOnAnotherParent(t *testing.T) {
	cfg, im, base, upper := changed(t)
	want := overlaid(t, base, upper, changes+show)
	if _, err := im.Commit(t.Context(), image.CommitOptions{ImageID: base.ID, Upper: store.Upper{Dir: upper, Take: true}, Names: []string{"first"}}); err != nil {
		t.Fatal(err)
	}
	other, err := im.Import(t.Context(), "-", bytes.NewReader(archive(t, file("keep", "below"), file("dir/below", "hidden"))), image.ImportOptions{Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	layers := slices.Clone(resolve(t, cfg, "first").Layers)
	slices.Reverse(layers)
	parent := resolve(t, cfg, other).Layers[0]
	rebased, err := im.Store().Rebase(t.Context(), layers, parent)
	if err != nil || len(rebased) != 2 {
		t.Fatalf("%v, %v", rebased, err)
	}
	again, err := im.Store().Rebase(t.Context(), layers, parent)
	if err != nil || !slices.Equal(again, rebased) {
		t.Errorf("the second time they are %v, %v", again, err)
	}
	if _, err := im.Remove(t.Context(), "first", image.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if all, _ := kept(t, im); len(all) != 2 {
		t.Errorf("of the two new layers are kept %v", all)
	}
	derived := resolve(t, cfg, other)
	for _, l := range rebased {
		derived.Lower = append([]string{filepath.Join(l.ID, "diff")}, derived.Lower...)
	}
	if got := overlaid(t, derived, "", show); got != want {
		t.Errorf("on another parent there are other files\n%s\nthan before\n%s", got, want)
	}
}
