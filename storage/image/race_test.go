package image_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/image"
)

// Who loads an image finds its layers there, and somebody removes them before the image is.
func TestImagesComeWhileTheyAreRemoved(t *testing.T) {
	cfg, im := newStore(t)
	if _, err := im.Import(t.Context(), "-", bytes.NewReader(archive(t, file("a", "1"))), image.ImportOptions{Name: "come"}); err != nil {
		t.Fatal(err)
	}
	saved := filepath.Join(t.TempDir(), "saved.tar")
	if err := im.Save(t.Context(), []string{"come"}, saved, image.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	const rounds = 50
	var group errgroup.Group
	each := func(do func(im *image.Images) error) {
		group.Go(func() error {
			other, err := image.Open(t.Context(), cfg)
			if err != nil {
				return err
			}
			defer func() { _ = other.Close() }()
			for range rounds {
				if err := do(other); err != nil {
					return err
				}
			}
			return nil
		})
	}
	each(func(im *image.Images) error {
		_, err := im.Load(t.Context(), saved, nil)
		return err
	})
	for range 2 {
		each(func(im *image.Images) error {
			_, err := im.Prune(t.Context(), image.PruneOptions{All: true})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

// Who names an image, or keeps it for a container, just when somebody removes it, is told that it is gone.
func TestImagesThatAreGoneAreToldSo(t *testing.T) {
	cfg, im := newStore(t)
	if _, err := im.Import(t.Context(), "-", bytes.NewReader(archive(t, file("a", "1"))), image.ImportOptions{Name: "gone"}); err != nil {
		t.Fatal(err)
	}
	id := resolve(t, cfg, "gone").ID
	saved := filepath.Join(t.TempDir(), "saved.tar")
	if err := im.Save(t.Context(), []string{"gone"}, saved, image.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	const rounds = 100
	var group errgroup.Group
	each := func(do func(im *image.Images) error) {
		group.Go(func() error {
			other, err := image.Open(t.Context(), cfg)
			if err != nil {
				return err
			}
			defer func() { _ = other.Close() }()
			for range rounds {
				if err := do(other); err != nil && !errors.Is(err, errdefs.ErrNotFound) && !errors.Is(err, errdefs.ErrConflict) {
					return err
				}
			}
			return nil
		})
	}
	each(func(im *image.Images) error {
		_, err := im.Load(t.Context(), saved, nil)
		return err
	})
	each(func(im *image.Images) error {
		_, err := im.Remove(t.Context(), "gone", image.RemoveOptions{Force: true})
		return err
	})
	each(func(im *image.Images) error { return im.Tag("gone", []string{"gone:2"}) })
	each(func(im *image.Images) error { return im.Store().Pin(id) })
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if err := im.Store().Unpin(id); err != nil {
		t.Error(err)
	}
	if err := im.Store().Pin(strings.Repeat("a", 64)); !errors.Is(err, errdefs.ErrNotFound) {
		t.Error(err)
	}
}

// What a build or a pull names, just when it is about to be pruned for want of a name, stays.
func TestNamedImagesAreNotPruned(t *testing.T) {
	_, im := newStore(t)
	var ids []string
	for _, name := range []string{"named", "nameless"} {
		id, err := im.Import(t.Context(), "-", bytes.NewReader(archive(t, file(name, "1"))), image.ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	asked := func(img storage.Summary) bool {
		if img.ID == ids[0] {
			if err := im.Tag(img.ID, []string{"come"}); err != nil {
				t.Error(err)
			}
		}
		return true
	}
	pruned, err := im.Prune(t.Context(), image.PruneOptions{Filter: asked})
	if err != nil || !slices.Equal(pruned.Deleted, ids[1:]) {
		t.Errorf("want %s to be pruned, got %v, %v", ids[1], pruned, err)
	}
	if err := im.Tag("come", []string{"still"}); err != nil {
		t.Error(err)
	}
}
