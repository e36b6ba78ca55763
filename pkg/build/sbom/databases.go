package sbom

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
)

// maxLine bounds a line of a database: dpkg's lists of files in a package are not in there.
const maxLine = 1 << 20

// ignoreMissing is nil where an error says that something is not there, or is no file.
func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
		return nil
	}
	return err
}

// records reads fields until an empty line ends a record: "Name: value" of dpkg, "N:value" of apk. What goes on in the next line is left out.
func records(r io.Reader, show func(map[string]string)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	record := map[string]string{}
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			show(record)
			record = map[string]string{}
			continue
		}
		if name, value, ok := strings.Cut(line, ":"); ok && name != "" && name[0] != ' ' && name[0] != '\t' {
			record[name] = strings.TrimSpace(value)
		}
	}
	show(record)
	return lines.Err()
}

// dpkg reads /var/lib/dpkg/status: see deb-control(5).
func (s *scan) dpkg(r io.Reader, path string) error {
	return records(r, func(p map[string]string) {
		status := p["Status"]
		if p["Package"] == "" || status != "" && !strings.HasSuffix(status, " installed") {
			return
		}
		s.add(Package{
			Name: p["Package"], Version: p["Version"], Source: path,
			URL: s.url("deb", p["Package"], p["Version"], p["Architecture"]),
		})
	})
}

// apk reads /lib/apk/db/installed: see the APK specification of Alpine.
func (s *scan) apk(r io.Reader, path string) error {
	return records(r, func(p map[string]string) {
		if p["P"] == "" {
			return
		}
		s.add(Package{
			Name: p["P"], Version: p["V"], License: p["L"], Source: path,
			URL: s.url("apk", p["P"], p["V"], p["A"]),
		})
	})
}

// add lists a package, unless there are too many.
func (s *scan) add(p Package) {
	s.size += overhead + len(p.Name) + len(p.Version) + len(p.URL) + len(p.License)
	if s.size <= maxList {
		s.Packages = append(s.Packages, p)
	}
}

// release reads os-release(5).
func (s *scan) release() distribution {
	var d distribution
	for _, path := range []string{"etc/os-release", "usr/lib/os-release"} {
		f, err := s.open(path)
		if err != nil || f == nil {
			continue
		}
		lines := bufio.NewScanner(io.LimitReader(f, maxLine))
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), "=")
			switch value = strings.Trim(value, `"'`); name {
			case "ID":
				d.id = value
			case "VERSION_ID":
				d.version = value
			}
		}
		f.Close()
		return d
	}
	return d
}
