package sbom_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mosscontainers/moss/pkg/build/sbom"
	"github.com/mosscontainers/moss/pkg/build/sbom/rpmdb"
	"github.com/mosscontainers/moss/pkg/build/tree"
)

// TestMain is also the process that reads databases of rpm. Builds are done as the super-user of a namespace.
func TestMain(m *testing.M) {
	if rpmdb.Main() {
		return
	}
	if os.Getuid() == 0 {
		os.Exit(m.Run())
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(cmd.ProcessState.ExitCode())
}

// samples are databases of distributions, which the library is tested with.
func samples(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/anchore/go-rpmdb").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "pkg", "testdata")
}

// sample is one of them.
func sample(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(samples(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPackagesOfRPM(t *testing.T) {
	for _, c := range []struct {
		sample, at, release string
		count               int
		has                 string
	}{
		{"fedora35/rpmdb.sqlite", "var/lib/rpm", "ID=fedora\nVERSION_ID=35\n", 137, "pkg:rpm/fedora/bash@5.1.8-2.fc35?arch=x86_64&distro=fedora-35&upstream=bash-5.1.8-2.fc35.src.rpm"},
		{"sle15-bci/Packages.db", "usr/lib/sysimage/rpm", "ID=sles\nVERSION_ID=15.3\n", 35, "pkg:rpm/sles/"},
		{"centos7-plain/Packages", "var/lib/rpm", "ID=centos\nVERSION_ID=7\n", 144, "&epoch=1"},
		{"ubi8-s390x/Packages", "var/lib/rpm", "ID=rhel\nVERSION_ID=8\n", 181, "arch=s390x"},
	} {
		t.Run(c.sample, func(t *testing.T) {
			list := scan(t, root(t, map[string]string{
				"etc/os-release": c.release, c.at + "/" + filepath.Base(c.sample): string(sample(t, c.sample)),
			}))
			if len(list.Packages) != c.count || len(list.Warnings) != 0 {
				t.Errorf("there are %d packages, warnings are %q", len(list.Packages), list.Warnings)
			}
			if !slices.ContainsFunc(urls(list), func(url string) bool { return strings.Contains(url, c.has) }) {
				t.Errorf("none of them has %s: %v", c.has, urls(list))
			}
		})
	}
}

// refused says that a database gives no packages, and why.
func refused(t *testing.T, name string, data []byte) string {
	t.Helper()
	list := scan(t, root(t, map[string]string{"var/lib/dpkg/status": status, "var/lib/rpm/" + name: string(data)}))
	if len(list.Packages) != 1 || len(list.Warnings) != 1 || !strings.Contains(list.Warnings[0], "packages of rpm are not listed: cannot read /var/lib/rpm/"+name) {
		t.Errorf("there are %d packages, warnings are %q", len(list.Packages), list.Warnings)
	}
	return strings.Join(list.Warnings, "\n")
}

func TestDamagedDatabasesOfRPMAreWarnings(t *testing.T) {
	for _, name := range []string{"fedora35/rpmdb.sqlite", "sle15-bci/Packages.db", "centos7-plain/Packages"} {
		data := sample(t, name)
		for _, length := range []int{0, 3, 40, 5000, len(data) / 3 / 4096 * 4096, len(data) / 2} {
			t.Run(fmt.Sprintf("%s cut to %d", name, length), func(t *testing.T) { refused(t, filepath.Base(name), data[:length]) })
		}
	}
}

// Whatever becomes of the process that reads it, a build goes on.
func TestAnyDatabaseOfRPMIsAnswered(t *testing.T) {
	for _, name := range []string{"cbl-mariner-2.0/rpmdb.sqlite", "sle15-bci/Packages.db", "libuuid/Packages"} {
		t.Run(name, func(t *testing.T) {
			whole := sample(t, name)
			for seed := range uint64(12) {
				random := rand.New(rand.NewPCG(seed, 0))
				data := slices.Clone(whole)
				for range 1 + len(data)/2000 {
					data[random.IntN(len(data))] = byte(random.Uint32())
				}
				dir := root(t, map[string]string{"var/lib/rpm/" + filepath.Base(name): string(data)})
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // some have the library turn in circles
				list, err := sbom.Scan(ctx, &tree.Tree{Root: dir}, temp(t))
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) || err == nil && len(list.Warnings) > 1 {
					t.Errorf("seed %d: %v (%v)", seed, err, list)
				}
			}
		})
	}
}

// A page that says it is followed by itself has the library fill the memory.
func TestDatabaseOfRPMWithoutEnd(t *testing.T) {
	const page, kind, next, overflow = 4096, 25, 16, 7 // db_page.h of Berkeley DB
	data := sample(t, "libuuid/Packages")
	for at := page; at < len(data); at += page {
		if data[at+kind] == overflow {
			binary.LittleEndian.PutUint32(data[at+next:], uint32(at/page))
		}
	}
	if said := refused(t, "Packages", data); !strings.Contains(said, "its reader ended") {
		t.Error(said)
	}
}

// A table may be a view, which is a program.
func TestDatabaseOfRPMThatIsAProgram(t *testing.T) {
	for name, view := range map[string]string{
		"says too much": "WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM more) SELECT zeroblob(100000000) AS blob FROM more",
		"loads code":    "SELECT load_extension('/database') AS blob",
		"reads files":   "SELECT readfile('/etc/passwd') AS blob",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "rpmdb.sqlite")
			makeSQLite(t, path, "CREATE VIEW Packages AS "+view)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			refused(t, "rpmdb.sqlite", data)
		})
	}
}

// What was written last may still be in a log beside the database.
func TestDatabaseOfRPMWithALog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rpmdb.sqlite")
	blob := sample(t, "blob.bin")
	db := openSQLite(t, path)
	for _, do := range []string{"PRAGMA journal_mode=WAL", "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)"} {
		if _, err := db.Exec(do); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec("INSERT INTO Packages (blob) VALUES (?)", blob); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range []string{"rpmdb.sqlite", "rpmdb.sqlite-wal", "rpmdb.sqlite-shm"} { // as they are while somebody writes
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files["var/lib/rpm/"+name] = string(data)
	}
	list := scan(t, root(t, files))
	if len(list.Packages) != 1 || len(list.Warnings) != 0 {
		t.Errorf("there are %v, warnings are %q", urls(list), list.Warnings)
	}
}

func openSQLite(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func makeSQLite(t *testing.T, path, schema string) {
	t.Helper()
	if _, err := openSQLite(t, path).Exec(schema); err != nil {
		t.Fatal(err)
	}
}
