package image_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/image"
	"github.com/mosscontainers/moss/storage/store"
)

// step is a build's layer on top of parent, kept for later builds.
func step(t *testing.T, im *image.Images, parent, name string) *store.Layer {
	t.Helper()
	dir := filepath.Join(im.Store().Config().GraphRoot, "step")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, name), name)
	l, err := im.Store().Cache(func() (*store.Layer, error) {
		return im.Store().CommitLayer(t.Context(), parent, store.Upper{Dir: dir, Take: true})
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// kept are the ids of the layers that the build cache has, and those of them that an image has.
func kept(t *testing.T, im *image.Images) (all, used []string) {
	t.Helper()
	layers, err := storage.KeptLayers(im.Store().Config())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		all = append(all, l.ID)
		if l.Used {
			used = append(used, l.ID)
		}
	}
	slices.Sort(all)
	slices.Sort(used)
	return all, used
}

func TestBuildCacheOutlivesImagesAndSweeps(t *testing.T) {
	cfg, im := newStore(t)
	busybox(t, im, "base")
	base := resolve(t, cfg, "base").Layers[0]
	first := step(t, im, base, "one")
	second := step(t, im, first.ID, "two")
	id, err := im.Import(t.Context(), "-", readerFunc(func([]byte) (int, error) { return 0, errors.New("broken") }), image.ImportOptions{})
	if err == nil {
		t.Fatalf("imported %s", id)
	}
	if _, err := im.Remove(t.Context(), "base", image.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := im.Prune(t.Context(), image.PruneOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	want := []string{first.ID, second.ID}
	slices.Sort(want)
	if all, used := kept(t, im); !slices.Equal(all, want) || len(used) > 0 {
		t.Errorf("of %v are left %v, used %v", want, all, used)
	}
	gone, err := im.Store().Forget(t.Context(), []string{first.ID})
	if err != nil || len(gone) > 0 {
		t.Errorf("a layer below another went: %v, %v", gone, err)
	}
	gone, err = im.Store().Forget(t.Context(), []string{first.ID, second.ID})
	if err != nil || !slices.Equal(gone, []string{second.ID, first.ID}) {
		t.Errorf("want both to go, topmost first: %v, %v", gone, err)
	}
}

// What cannot be read is told of the source, whether it is a directory or the standard input.
func TestImportsSayWhatTheyCannotRead(t *testing.T) {
	_, im := newStore(t)
	broken := readerFunc(func([]byte) (int, error) { return 0, errors.New("broken") })
	for source, says := range map[string]string{t.TempDir(): "is a directory", "-": "cannot import the standard input: broken"} {
		_, err := im.Import(t.Context(), source, broken, image.ImportOptions{})
		if err == nil || !strings.HasPrefix(err.Error(), "cannot import ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: want %q, got %v", source, says, err)
		}
	}
}
