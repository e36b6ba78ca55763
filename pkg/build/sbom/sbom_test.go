package sbom_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mosscontainers/moss/pkg/build/sbom"
	"github.com/mosscontainers/moss/pkg/build/tree"
)

// root writes files and returns the directory.
func root(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// temp makes directories for a scan.
func temp(t *testing.T) func() (string, error) {
	return func() (string, error) { return os.MkdirTemp(t.TempDir(), "") }
}

func scan(t *testing.T, dir string) *sbom.List {
	t.Helper()
	list, err := sbom.Scan(t.Context(), &tree.Tree{Root: dir}, temp(t))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func urls(l *sbom.List) []string {
	var all []string
	for _, p := range l.Packages {
		all = append(all, p.URL)
	}
	return all
}

const (
	debian = `PRETTY_NAME="Debian"
ID=debian
VERSION_ID="12"
`
	status = `Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2+b7
Description: shell
 Version: no field, but what goes on
 .

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
`
	apk = `C:Q1xx
P:musl
V:1.2.5-r0
A:x86_64
L:MIT

P:busybox
V:1.36.1-r29
A:x86_64
L:GPL-2.0-only
`
)

func TestPackagesOfDistributions(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{
			"dpkg, without what is gone",
			map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": status},
			[]string{"pkg:deb/debian/bash@5.2.15-2%2Bb7?arch=amd64&distro=debian-12"},
		},
		{
			"without a package manager",
			map[string]string{"usr/lib/os-release": debian, "var/lib/dpkg/status.d/base": "Package: base-files\nVersion: 12\nArchitecture: all\n"},
			[]string{"pkg:deb/debian/base-files@12?arch=all&distro=debian-12"},
		},
		{
			"apk",
			map[string]string{"etc/os-release": "ID=alpine\nVERSION_ID=3.20.0\n", "lib/apk/db/installed": apk},
			[]string{"pkg:apk/alpine/busybox@1.36.1-r29?arch=x86_64&distro=alpine-3.20.0", "pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.0"},
		},
		{"nothing", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, urls(scan(t, root(t, c.files)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestProgramsTellTheirModules(t *testing.T) {
	dir := root(t, map[string]string{"src/go.mod": "module example.org/made/here\n\ngo 1.24\n", "src/main.go": "package main\n\nfunc main() {}\n", "bin/readme": "\x7fELF"})
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "bin", "program"), ".")
	build.Dir = filepath.Join(dir, "src")
	build.Env = append(os.Environ(), "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Chmod(filepath.Join(dir, "bin", "readme"), 0o755); err != nil {
		t.Fatal(err)
	}
	list := scan(t, dir)
	if !slices.ContainsFunc(list.Packages, func(p sbom.Package) bool {
		return strings.HasPrefix(p.URL, "pkg:golang/example.org/made/here") && p.Source == "/bin/program"
	}) {
		t.Errorf("the program's own module is missing: %v", list.Packages)
	}
	if !slices.ContainsFunc(list.Packages, func(p sbom.Package) bool { return strings.HasPrefix(p.URL, "pkg:golang/stdlib@1.") }) {
		t.Errorf("the standard library is missing: %v", list.Packages)
	}
}

// What an image has instead of a database leads to nothing outside, and does not hang.
func TestDatabasesThatAreNone(t *testing.T) {
	dir := root(t, map[string]string{"var/lib/dpkg/.keep": "", "lib/apk/db/.keep": ""})
	outside := root(t, map[string]string{"status": status})
	for _, err := range []error{
		os.Symlink(filepath.Join(outside, "status"), filepath.Join(dir, "var/lib/dpkg/status")),
		os.Symlink("installed", filepath.Join(dir, "lib/apk/db/installed")),
		exec.Command("mkfifo", filepath.Join(dir, "fifo")).Run(),
		os.MkdirAll(filepath.Join(dir, "etc"), 0o755),
		os.Symlink("/fifo", filepath.Join(dir, "etc/os-release")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := urls(scan(t, dir)); got != nil {
		t.Errorf("found %v", got)
	}
}

// What an image tells of itself takes no more memory than a large one's list.
func TestListsThatAreTooLong(t *testing.T) {
	for name, text := range map[string]string{
		"packages": strings.Repeat("Package: a\n\n", 400_000),
		"versions": strings.Repeat("Package: a\nVersion: "+strings.Repeat("~", 500_000)+"\n\n", 100),
		"bytes":    strings.Repeat(" "+strings.Repeat("x", 1<<19-2)+"\n", 129),
	} {
		t.Run(name, func(t *testing.T) {
			list, err := sbom.Scan(t.Context(), &tree.Tree{Root: root(t, map[string]string{"var/lib/dpkg/status": text})}, temp(t))
			if err == nil {
				t.Errorf("%d packages were listed", len(list.Packages))
			}
		})
	}
}

func TestDocument(t *testing.T) {
	list := scan(t, root(t, map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": status}))
	at := time.Unix(1700000000, 0)
	raw, err := list.Document("app", "moss-1", at)
	if err != nil {
		t.Fatal(err)
	}
	again, err := list.Document("app", "moss-1", at)
	if err != nil || string(again) != string(raw) {
		t.Errorf("the same list is another document (%v)", err)
	}
	var doc struct {
		Version  string `json:"spdxVersion"`
		Packages []struct{ Name, VersionInfo string }
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	want := []struct{ Name, VersionInfo string }{{"app", ""}, {"bash", "5.2.15-2+b7"}}
	if diff := cmp.Diff(want, doc.Packages); diff != "" || doc.Version != "SPDX-2.3" {
		t.Errorf("document is %s\n%s", doc.Version, diff)
	}
	listed, err := list.URLs()
	if err != nil || !strings.Contains(string(listed), `{"purl":"pkg:deb/debian/bash@`) {
		t.Errorf("package URLs are %s (%v)", listed, err)
	}
}
