package rpmdb

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	lib "github.com/anchore/go-rpmdb/pkg"
	"github.com/mattn/go-sqlite3"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Main is the whole program, and says so, when the process was started by Read.
func Main() bool {
	if len(os.Args) != 1 || os.Args[0] != name {
		return false
	}
	var a answer
	err := sys.Enclose(sys.Bounds{Memory: maxMemory, File: 2 * MaxDatabase, Seconds: maxSeconds})
	if err == nil {
		a.Packages, err = list(file)
	}
	if err != nil {
		a = answer{Error: err.Error()}
	}
	if json.NewEncoder(os.Stdout).Encode(a) != nil {
		os.Exit(1)
	}
	return true
}

// list reads a database. The library knows by itself which kind it is.
func list(path string) ([]Package, error) {
	if err := prepare(path); err != nil {
		return nil, err
	}
	db, err := lib.Open(path)
	if err != nil {
		return nil, err
	}
	defer db.Close() //nolint:errcheck // it was only read
	found, err := db.ListPackages()
	if err != nil {
		return nil, err
	}
	var all []Package
	for _, p := range found {
		if p.Name == "gpg-pubkey" { // the keys of those who make packages
			continue
		}
		source := p.SourceRpm
		if source == "(none)" {
			source = ""
		}
		all = append(all, Package{
			Name: p.Name, Epoch: p.Epoch, Version: strings.Trim(p.Version+"-"+p.Release, "-"), Arch: p.Arch, License: p.License, Source: source,
		})
	}
	return all, nil
}

// prepare gives the library the driver that it asks for, and has SQLite bring a database up to date with its log and say whether it is whole: the
// library looks at nothing but the file itself, and takes an error in the middle of it for the end.
func prepare(path string) error {
	sql.Register("sqlite", &sqlite3.SQLiteDriver{ConnectHook: distrust})
	if isSQLite, err := begins(path, "SQLite format 3\x00"); err != nil || !isSQLite {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the first error counts
	var blocked, pages, moved int
	if err := db.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&blocked, &pages, &moved); err != nil {
		return err
	}
	var said string
	if err := db.QueryRow("PRAGMA quick_check(1)").Scan(&said); err != nil {
		return err
	}
	if said != "ok" {
		return fmt.Errorf("it is damaged: %s", said)
	}
	return nil
}

// distrust has SQLite believe nothing that a database says of itself, and write nothing beside it.
func distrust(c *sqlite3.SQLiteConn) error {
	_, err := c.Exec("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY", nil)
	return err
}

func begins(path, with string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, len(with))
	n, _ := f.Read(head) // shorter ones are something else
	return string(head[:n]) == with, nil
}
