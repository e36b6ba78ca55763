// Package sbom lists what is in a root file system: packages of dpkg, apk and rpm, and the modules of programs that were made with Go. It only reads
// files, which are hostile: their size is bounded, and nothing of the image is run.
package sbom

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Package is something that is in an image.
type Package struct {
	Name    string
	Version string
	URL     string // a package URL: pkg:deb/debian/bash@5.2?arch=amd64&distro=debian-12
	License string // as the package says; "" where it does not
	Source  string // the file that tells of it, from the root on
}

// maxDatabase bounds a package database: that of a whole Debian desktop has 5 MB. maxList bounds what is listed, which takes ten times as much memory until it is written:
// some 150,000 packages, twice as many as Debian has.
const (
	maxDatabase = 64 << 20
	maxList     = 64 << 20
)

// overhead is what a package takes in a list beside its words.
const overhead = 256

// List is what was found.
type List struct {
	Packages []Package
	Warnings []string // what could not be read
}

// Scan lists what is in the tree. temp makes an empty directory, which is not kept.
func Scan(ctx context.Context, t *tree.Tree, temp func() (string, error)) (*List, error) {
	root, err := os.OpenFile(t.Root, sys.OPath|sys.ODirectory, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot read what is in the image: %w", err)
	}
	defer root.Close()
	s := &scan{root: root, temp: temp}
	s.distribution = s.release()
	if err := errors.Join(s.databases(ctx), s.programs(ctx, t)); err != nil {
		return nil, err
	}
	if s.size > maxList {
		return nil, errors.New("cannot list what is in the image: it tells of more packages than an image can have")
	}
	slices.SortFunc(s.Packages, func(a, b Package) int { return cmp.Or(cmp.Compare(a.URL, b.URL), cmp.Compare(a.Source, b.Source)) })
	return &s.List, nil
}

// scan is a root that is being read.
type scan struct {
	List
	root         *os.File
	temp         func() (string, error)
	distribution distribution
	size         int // of what is listed, in bytes
}

// distribution is what os-release says of the system.
type distribution struct{ id, version string }

// databases reads those of package managers.
func (s *scan) databases(ctx context.Context) error {
	for _, file := range []string{"var/lib/dpkg/status", "lib/apk/db/installed", "usr/lib/apk/db/installed"} {
		if err := s.database(file); err != nil {
			return err
		}
	}
	few, err := s.names("var/lib/dpkg/status.d") // images that have no package manager
	if err != nil {
		return err
	}
	for _, name := range few {
		if err := s.database("var/lib/dpkg/status.d/" + name); err != nil {
			return err
		}
	}
	return s.rpm(ctx)
}

// database reads one, if it is there.
func (s *scan) database(path string) error {
	f, err := s.open(path)
	if err != nil || f == nil {
		return err
	}
	defer f.Close()
	read := s.apk
	if strings.Contains(path, "dpkg") {
		read = s.dpkg
	}
	limited := &io.LimitedReader{R: f, N: maxDatabase + 1}
	err = read(limited, "/"+path)
	if err == nil && limited.N == 0 {
		err = fmt.Errorf("it has more than %d MB", maxDatabase>>20)
	}
	if err != nil {
		return fmt.Errorf("cannot read /%s of the image: %w", path, err)
	}
	return nil
}

// open opens a regular file; nil where there is none.
func (s *scan) open(path string) (*os.File, error) {
	f, err := sys.OpenIn(s.root, path, os.O_RDONLY|sys.ONonblock, sys.FollowInRoot)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// names are those of a directory, in order; none where there is no directory.
func (s *scan) names(path string) ([]string, error) {
	dir, err := sys.OpenIn(s.root, path, os.O_RDONLY|sys.ODirectory|sys.ONonblock, sys.FollowInRoot)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// url names a package of the distribution. More are pairs of what it has besides.
func (s *scan) url(kind, name, version, arch string, more ...[2]string) string {
	var q packageurl.Qualifiers
	for _, one := range append(more, [2]string{"arch", arch}, [2]string{"distro", strings.Trim(s.distribution.id+"-"+s.distribution.version, "-")}) {
		if one[1] != "" {
			q = append(q, packageurl.Qualifier{Key: one[0], Value: one[1]})
		}
	}
	slices.SortFunc(q, func(a, b packageurl.Qualifier) int { return cmp.Compare(a.Key, b.Key) })
	return packageurl.NewPackageURL(kind, s.distribution.id, name, version, q, "").ToString()
}
