package image

import (
	"database/sql"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/pkg/blobinfocache"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/config"
)

// The library remembers of which blob a layer came and where that is, so that a push need not compress it again nor
// send it to where it is. It writes each such thing by itself, with four fsyncs, two for each layer. So what is found out while layers are fetched is
// collected here, and written into the same database at once. A copy out of the store, which the library makes alone, works with one of its own (lentcache.go).

// blobCacheDir is where the library keeps its database, Podman's too.
func blobCacheDir(user config.User) string {
	if user.UID == 0 {
		return "/var/lib/containers/cache"
	}
	return filepath.Join(user.DataHome, "containers", "cache")
}

// blobCacheFile is the name of the database; for other tables the library will take another one.
const blobCacheFile = "blob-info-cache-v1.sqlite"

// foundBlobs collects what is found out. It answers nothing.
type foundBlobs struct {
	types.BlobInfoCache
	mu   sync.Mutex
	rows []cacheRow
}

// cacheRow is a statement and what it is about.
type cacheRow struct {
	statement string
	values    []any
}

func newFoundBlobs() *foundBlobs { return &foundBlobs{BlobInfoCache: none.NoCache} }

// RecordDigestUncompressedPair is called for blobs of which both digests were checked.
func (f *foundBlobs) RecordDigestUncompressedPair(blob, uncompressed digest.Digest) {
	f.note("INSERT OR REPLACE INTO DigestUncompressedPairs(anyDigest, uncompressedDigest) VALUES (?, ?)", blob.String(), uncompressed.String())
}

// RecordKnownLocation is called by the sources of images.
func (f *foundBlobs) RecordKnownLocation(transport types.ImageTransport, scope types.BICTransportScope, blob digest.Digest, location types.BICLocationReference) {
	f.note("INSERT OR REPLACE INTO KnownLocations(transport, scope, digest, location, time) VALUES (?, ?, ?, ?, ?)",
		transport.Name(), scope.Opaque, blob.String(), location.Opaque, time.Now())
}

func (f *foundBlobs) note(statement string, values ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = append(f.rows, cacheRow{statement, values})
}

// write writes all that was collected.
func (f *foundBlobs) write(sys *types.SystemContext) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rows) == 0 {
		return nil
	}
	blobinfocache.DefaultCache(sys) // makes the tables where there are none
	err := useBlobCache(sys.BlobInfoCacheDir, func(db *sql.DB) error {
		return atOnce(db, func(tx *sql.Tx) error {
			for _, row := range f.rows {
				if _, err := tx.Exec(row.statement, row.values...); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err == nil {
		f.rows = nil
	}
	return err
}

// useBlobCache opens the database that is in a directory.
func useBlobCache(dir string, use func(*sql.DB) error) (err error) {
	db, err := sql.Open("sqlite3", filepath.Join(dir, blobCacheFile)+"?_loc=auto&_sync=FULL")
	if err != nil {
		return err
	}
	defer closing(&err, db)
	db.SetMaxOpenConns(1) // what is begun or attached is so for one
	return use(db)
}

// atOnce makes changes that are all there or none of them.
func atOnce(db *sql.DB, change func(*sql.Tx) error) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	if err := change(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
