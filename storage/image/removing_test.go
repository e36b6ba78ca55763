package image_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	lib "go.podman.io/storage"
	"golang.org/x/sync/errgroup"

	"github.com/mosscontainers/moss/storage/image"
	"github.com/mosscontainers/moss/storage/store"
)

// The files of an image are removed without a lock: somebody may bring the same layers meanwhile.
func TestLayersThatComeAgainKeepTheirFiles(t *testing.T) {
	const layers, files = 16, 300
	cfg, im := newStore(t)
	other, err := image.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	var again, first store.Stack
	for i := range layers {
		var entries []entry
		for j := range files {
			entries = append(entries, file(fmt.Sprintf("%d-%d", i, j), "content"))
		}
		tarball := archive(t, entries...)
		for s, stack := range map[*store.Store]*store.Stack{im.Store(): &first, other.Store(): &again} {
			staged, err := s.Stage(t.Context(), bytes.NewReader(tarball), "")
			if err != nil {
				t.Fatal(err)
			}
			stack.Staged = append(stack.Staged, staged)
		}
	}
	made, err := im.Store().Commit(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	img, err := im.Store().Library().CreateImage("", nil, made[layers-1].ID, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var group errgroup.Group
	group.Go(func() error {
		for { // until the image is being removed
			list, err := os.ReadFile(filepath.Join(cfg.Storage.GraphRoot, "overlay-layers/layers.json"))
			if err != nil || bytes.Contains(list, []byte("incomplete")) {
				break
			}
		}
		again.Keep = true
		_, err := other.Store().Commit(t.Context(), again)
		return err
	})
	if err := im.Store().RemoveImage(img.ID); err != nil {
		t.Error(err)
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	for i, l := range made {
		found, err := os.ReadDir(filepath.Join(cfg.Storage.GraphRoot, "overlay", l.ID, "diff"))
		if err != nil || len(found) != files {
			t.Errorf("layer %d has %d files, not %d: %v", i, len(found), files, err)
		}
	}
}

// Podman and Skopeo record the layers of an image that they pull before the image, too.
func TestAFailedCopyRemovesNoLayersOfOthers(t *testing.T) {
	_, im := newStore(t)
	library := im.Store().Library()
	var own *store.Layer
	var loaded *lib.Layer
	failure := errors.New("failure")
	err := im.Store().Copy(func() error {
		others, err := library.CreateLayer("", "", nil, "", false, nil)
		if err != nil {
			t.Fatal(err)
		}
		if own, err = im.Store().PutLayer(t.Context(), "", bytes.NewReader(archive(t, file("a", "1")))); err != nil {
			t.Fatal(err)
		}
		if loaded, _, err = library.PutLayer("", "", nil, "", false, nil, bytes.NewReader(archive(t, file("b", "2")))); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if !library.Exists(others.ID) {
				t.Error("a layer that others have made was removed")
			}
		})
		return failure
	})
	if !errors.Is(err, failure) || library.Exists(own.ID) || library.Exists(loaded.ID) {
		t.Errorf("its own layers stayed, or %v", err)
	}
}
