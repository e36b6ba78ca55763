package sbom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/mosscontainers/moss/pkg/build/sbom/rpmdb"
)

// rpm lists the packages of the first database that there is: one directory is mostly a link to another. What cannot be read is a warning.
func (s *scan) rpm(ctx context.Context) error {
	for _, dir := range []string{"usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm"} {
		for _, name := range []string{"rpmdb.sqlite", "Packages.db", "Packages"} {
			path := dir + "/" + name
			f, err := s.open(path)
			if err != nil {
				return err
			}
			if f == nil {
				continue
			}
			err = s.readRpm(ctx, f, path)
			f.Close()
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				s.Warnings = append(s.Warnings, fmt.Sprintf("packages of rpm are not listed: cannot read /%s of the image: %v", path, err))
			}
			return nil
		}
	}
	return nil
}

// readRpm reads a database, and what SQLite has not yet put into it.
func (s *scan) readRpm(ctx context.Context, database *os.File, path string) (err error) {
	dir, err := s.temp()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var writes io.Reader
	log, err := s.open(path + "-wal")
	if err != nil {
		return err
	}
	if log != nil {
		defer log.Close()
		writes = log
	}
	all, err := rpmdb.Read(ctx, dir, database, writes)
	for _, p := range all {
		epoch := ""
		if p.Epoch != nil {
			epoch = strconv.Itoa(*p.Epoch)
		}
		s.add(Package{
			Name: p.Name, Version: p.Version, License: p.License, Source: "/" + path,
			URL: s.url("rpm", p.Name, p.Version, p.Arch, [2]string{"epoch", epoch}, [2]string{"upstream", p.Source}),
		})
	}
	return err
}
