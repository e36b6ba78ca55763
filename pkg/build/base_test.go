package build

import (
	"archive/tar"
	"bytes"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/mosscontainers/moss/storage/image"
)

// Stages are begun side by side. The race detector says what is wrong here.
func TestStagesThatBeginWithOneImageFindItSideBySide(t *testing.T) {
	tr := newTrial(t, newEngine(t), Options{Pull: image.PullNever})
	defer tr.end()
	images, err := tr.Images()
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := images.Import(t.Context(), "-", &archive, image.ImportOptions{Name: "localhost/one"}); err != nil {
		t.Fatal(err)
	}
	known, err := tr.base(t.Context(), "localhost/one:latest", Here())
	if err != nil {
		t.Fatal(err)
	}
	pinned := "localhost/one:latest@" + known.digest.String()
	tr.bases.list = nil
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			_, err := tr.base(t.Context(), pinned, Here())
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}
