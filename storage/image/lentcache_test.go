package image_test

import (
	"crypto/rand"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3"
	"golang.org/x/sync/errgroup"

	"github.com/mosscontainers/moss/storage/image"
)

// Pushes work with copies of the database of blobs. What each of them finds out gets into it, which they share with Podman, and no copy stays.
func TestPushesAreRemembered(t *testing.T) {
	cfg, im := newStore(t)
	busybox(t, im, "busybox")
	at := serve(t) + "/" + strings.ToLower(rand.Text()) // root's database knows of other servers at that address
	var pushes errgroup.Group
	for _, repository := range []string{"one", "two"} {
		pushes.Go(func() error {
			_, err := im.Push(t.Context(), "busybox", at+repository+":1", image.PushOptions{Copying: insecure()})
			return err
		})
	}
	if err := pushes.Wait(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cfg.User.DataHome, "containers", "cache")
	if cfg.User.UID == 0 {
		dir = "/var/lib/containers/cache"
	}
	db, err := sql.Open("sqlite3", filepath.Join(dir, "blob-info-cache-v1.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const here = "SELECT digest FROM KnownLocations WHERE location = ?1 || 'one'"
	for query, want := range map[string]int{
		"SELECT count(DISTINCT location) FROM KnownLocations WHERE location IN (?1 || 'one', ?1 || 'two')": 2,
		"SELECT count(*) FROM DigestUncompressedPairs WHERE anyDigest IN (" + here + ")":                   1,
		"SELECT count(*) FROM DigestCompressors WHERE compressor = 'gzip' AND digest IN (" + here + ")":    1,
	} {
		var got int
		if err := db.QueryRow(query, at).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %d, %v", query, got, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(cfg.RuntimeDir, "moss", "blobs-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
