package image_test

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/signature"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	lib "go.podman.io/storage"

	"github.com/mosscontainers/moss/storage/image"
	"github.com/mosscontainers/moss/storage/store"
)

// pushed is the name in a registry of an image of three layers.
func pushed(t *testing.T) string {
	t.Helper()
	_, im, base, upper := changed(t)
	overlaid(t, base, upper, changes)
	if _, err := im.Commit(t.Context(), image.CommitOptions{ImageID: base.ID, Upper: store.Upper{Dir: upper, Take: true}, Names: []string{"second"}}); err != nil {
		t.Fatal(err)
	}
	third := filepath.Join(im.Store().Config().GraphRoot, "third")
	if err := os.Mkdir(third, 0o711); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(third, "more"), "more")
	if _, err := im.Commit(t.Context(), image.CommitOptions{ImageID: "second", Upper: store.Upper{Dir: third, Take: true}, Names: []string{"third"}}); err != nil {
		t.Fatal(err)
	}
	name := serve(t) + "/third:1"
	if _, err := im.Push(t.Context(), "third", name, image.PushOptions{Copying: insecure()}); err != nil {
		t.Fatal(err)
	}
	return name
}

// pullWithLibrary has go.podman.io/image alone pull an image.
func pullWithLibrary(t *testing.T, to lib.Store, name string) {
	t.Helper()
	src, err := docker.ParseReference("//" + name)
	if err != nil {
		t.Fatal(err)
	}
	dst, err := istorage.Transport.ParseStoreReference(to, name)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := signature.NewPolicyContext(&signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = copy.Image(t.Context(), policy, dst, src, &copy.Options{SourceCtx: &types.SystemContext{DockerInsecureSkipTLSVerify: types.OptionalBoolTrue}})
	if err != nil {
		t.Fatal(err)
	}
}

// recorded is what a store has of its layers: the records without times, the tar-splits, and the modes of their roots.
func recorded(t *testing.T, s *store.Store) (layers []lib.Layer, files map[string]string) {
	t.Helper()
	layers, err := s.Library().Layers()
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	root := s.Config().GraphRoot
	for i := range layers {
		id := layers[i].ID
		layers[i].Created = time.Time{}
		files[id+" split"] = unzipped(t, filepath.Join(root, "overlay-layers", id+".tar-split.gz"))
		for _, name := range []string{"lower", "lower-layers"} {
			data, err := os.ReadFile(filepath.Join(root, "overlay", id, name))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			files[id+" "+name] = string(data)
			if name == "lower" { // it has random names
				files[id+" "+name] = string(rune(len(data)))
			}
		}
		for _, name := range []string{"", "diff", "work", "link"} {
			info, err := os.Stat(filepath.Join(root, "overlay", id, name))
			if err != nil {
				t.Fatal(err)
			}
			files[id+" "+name+" mode"] = info.Mode().String()
		}
	}
	return layers, files
}

func unzipped(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestPulledLayersAreWhatTheLibraryMakesOfThem(t *testing.T) {
	name := pushed(t)
	_, theirs := newStore(t)
	pullWithLibrary(t, theirs.Store().Library(), name)
	_, ours := newStore(t)
	if _, err := ours.Pull(t.Context(), name, image.PullOptions{Copying: insecure()}); err != nil {
		t.Fatal(err)
	}
	wantLayers, wantFiles := recorded(t, theirs.Store())
	layers, files := recorded(t, ours.Store())
	if len(layers) != 3 || !reflect.DeepEqual(layers, wantLayers) {
		t.Errorf("the records are\n%+v\nand the library's\n%+v", layers, wantLayers)
	}
	for file, want := range wantFiles {
		if files[file] != want {
			t.Errorf("%s is %.100q, and the library's %.100q", file, files[file], want)
		}
	}
}

// The library records an image first, and writes down its configuration and manifest then.
func TestImagesThatAKilledProcessHasHalfRecordedAreCompleted(t *testing.T) {
	name := pushed(t)
	_, im := newStore(t)
	pulled, err := im.Pull(t.Context(), name, image.PullOptions{Copying: insecure()})
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "saved.tar")
	if err := im.Save(t.Context(), []string{name}, archive, image.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	id, library := pulled[0].ID, im.Store().Library()
	whole, err := library.Image(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := library.CreateImage("", nil, whole.TopLayer, "{}", nil); err != nil { // keeps the layers
		t.Fatal(err)
	}
	if _, err := library.DeleteImage(id, true); err != nil {
		t.Fatal(err)
	}
	if _, err := library.CreateImage(id, nil, whole.TopLayer, "{}", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := im.Load(t.Context(), archive, nil); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"sha256:" + id, lib.ImageDigestBigDataKey} { // an archive has a manifest of its own
		if _, err := library.ImageBigData(id, key); err != nil {
			t.Error(err)
		}
	}
}
