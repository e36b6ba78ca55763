package image_test

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/storage/store"
)

// A killed process leaves its directory, unlocked; the next one that needs such a directory removes it,
// and only it.
func TestTemporaryFilesOfTheDeadAreSwept(t *testing.T) {
	cfg := config.Storage{Driver: "overlay", GraphRoot: t.TempDir(), RunRoot: t.TempDir()}
	open := func() (*store.Store, string) {
		s, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := s.TempDir()
		if err != nil {
			t.Fatal(err)
		}
		return s, dir
	}
	dead := filepath.Join(cfg.GraphRoot, "moss", "tmp", "dead")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, "blob"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, firstDir := open()
	second, secondDir := open()
	if _, err := os.Stat(dead); err == nil {
		t.Error("the directory of a dead process is left")
	}
	for _, dir := range []string{firstDir, secondDir} {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("the directory of a living process was swept: %v", err)
		}
	}
	for _, s := range []*store.Store{first, second} {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(firstDir); err == nil {
		t.Error("the directory of a closed store is left")
	}
}

// What a killed process had started may not have noticed yet, and still write into its directory. That is nobody's failure, and goes with a later sweep.
func TestTemporaryFilesThatComeWhileTheyAreSweptFailNobody(t *testing.T) {
	cfg := config.Storage{Driver: "overlay", GraphRoot: t.TempDir(), RunRoot: t.TempDir()}
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	left := filepath.Join(cfg.GraphRoot, "moss", "tmp", "left")
	var writing sync.WaitGroup
	ended := make(chan struct{})
	writing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-ended:
				return
			default:
				_ = os.MkdirAll(filepath.Join(left, strconv.Itoa(i%100)), 0o700) // it may be removed just now
			}
		}
	})
	for range 50 {
		if err := s.SweepTemps(); err != nil {
			t.Error(err)
			break
		}
	}
	close(ended)
	writing.Wait()
	if err := s.SweepTemps(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("it is left")
	}
}
