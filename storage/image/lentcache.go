package image

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/pkg/blobinfocache"

	"github.com/mosscontainers/moss/pkg/sys"
)

// lentCache is a copy of the library's database, in the runtime directory, where no disk has to be waited for.
type lentCache struct {
	of, dir string // the directories of the database and of its copy
	remove  func() error
	rows    map[string]int64 // the last row of each table, as it was copied
}

// lentPrefix begins the names of their directories.
const lentPrefix = "blobs-"

// lendBlobCache has a copy out of the store remember things where no disk has to be waited for: for a file in memory, since nobody asks for them later, and
// for a registry in a copy of the database. What is new there is put into the database at once by giveBack.
func (im *Images) lendBlobCache(t *transfer) (giveBack func()) {
	own := *t.dstSys
	if t.dst.Transport().Name() != docker.Transport.Name() {
		own.BlobInfoCacheDir = os.DevNull // which is no directory
		t.dstSys = &own
		return func() {}
	}
	blobinfocache.DefaultCache(t.dstSys) // makes the tables where there are none
	lent, err := im.copyBlobCache(own.BlobInfoCacheDir)
	if err != nil {
		return func() {} // it is only slower
	}
	own.BlobInfoCacheDir = lent.dir
	t.dstSys = &own
	return func() {
		_ = lent.merge()  // without it a push may send more than it needs to
		_ = lent.remove() // what stays is swept by the next one
	}
}

// copyBlobCache copies the database that is in a directory.
func (im *Images) copyBlobCache(of string) (*lentCache, error) {
	parent := filepath.Join(im.cfg.RuntimeDir, "moss")
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, err
	}
	dir, remove, err := sys.TempDir(parent, lentPrefix)
	if err != nil {
		return nil, err
	}
	lent := &lentCache{of: of, dir: dir, remove: remove, rows: map[string]int64{}}
	err = useBlobCache(of, func(db *sql.DB) error {
		if _, err := db.Exec("BEGIN EXCLUSIVE"); err != nil { // nobody writes
			return err
		}
		countErr := lent.count(db) // before the file is closed
		data, err := os.ReadFile(filepath.Join(of, blobCacheFile))
		err = errors.Join(countErr, err, os.WriteFile(filepath.Join(dir, blobCacheFile), data, 0o600))
		_, endErr := db.Exec("ROLLBACK") // closing the file has ended the lock, which is the process's
		return errors.Join(err, endErr)
	})
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	return lent, nil
}

// count notes the last rows. What is written later, also instead of a row, comes after them.
func (l *lentCache) count(db *sql.DB) error {
	tables, err := tableNames(db)
	for _, table := range tables {
		var last int64
		err = errors.Join(err, db.QueryRow(fmt.Sprintf("SELECT ifnull(max(rowid), 0) FROM %q", table)).Scan(&last))
		l.rows[table] = last
	}
	return err
}

func tableNames(db *sql.DB) (names []string, err error) {
	rows, err := db.Query("SELECT name FROM sqlite_master WHERE type = 'table'")
	if err != nil {
		return nil, err
	}
	defer closing(&err, rows)
	for rows.Next() {
		var name string
		err = errors.Join(err, rows.Scan(&name))
		names = append(names, name)
	}
	return names, errors.Join(err, rows.Err())
}

// merge puts what is new in the copy into the database.
func (l *lentCache) merge() error {
	return useBlobCache(l.of, func(db *sql.DB) error {
		if _, err := db.Exec("ATTACH DATABASE ? AS lent", filepath.Join(l.dir, blobCacheFile)); err != nil {
			return err
		}
		return atOnce(db, func(tx *sql.Tx) error {
			for table, last := range l.rows {
				if _, err := tx.Exec(fmt.Sprintf("INSERT OR REPLACE INTO main.%[1]q SELECT * FROM lent.%[1]q WHERE rowid > ?", table), last); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
