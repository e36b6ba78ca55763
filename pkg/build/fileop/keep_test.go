package fileop_test

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/sys"
)

func addLine(t *testing.T, path string, lines ...string) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(string(b)+"\n"+strings.Join(lines, "\n")+"\n"), 0o644))
}

func TestCopyKeepsWhatFilesAre(t *testing.T) {
	source := grow(t, "d/ 1777\nd/f 6755 5:6 = F\nd/g == d/f\nd/h/i == d/f")
	must(t, syscall.Mkfifo(source+"/fifo", 0o600))
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(t, err)
	defer syscall.Close(fd)
	must(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: source + "/socket"}))
	dest := t.TempDir()
	must(t, apply(t, copyOf("/", "/"), dest, &tree.Tree{Root: source}))
	first, err := os.Stat(dest + "/d/f")
	must(t, err)
	if n := first.Sys().(*syscall.Stat_t).Nlink; n != 3 {
		t.Errorf("%d names", n)
	}
	info, err := os.Lstat(dest + "/fifo")
	must(t, err)
	if info.Mode() != os.ModeNamedPipe|0o600 {
		t.Error(info.Mode())
	}
	if _, err := os.Lstat(dest + "/socket"); !os.IsNotExist(err) {
		t.Error("a socket was copied", err)
	}
}

func TestCopyKeepsHoles(t *testing.T) {
	source, dest := t.TempDir(), t.TempDir()
	f, err := os.Create(source + "/sparse")
	must(t, err)
	for _, at := range []int64{1 << 20, 64 << 20} {
		_, err := f.WriteAt([]byte("data"), at)
		must(t, err)
	}
	must(t, f.Truncate(128<<20))
	must(t, f.Close())
	must(t, apply(t, copyOf("/", "/"), dest, &tree.Tree{Root: source}))
	same(t, source+"/sparse", dest+"/sparse")
	info, err := os.Stat(dest + "/sparse")
	must(t, err)
	if n := info.Sys().(*syscall.Stat_t).Blocks * 512; n > 1<<20 {
		t.Errorf("it takes %d bytes", n)
	}
}

func TestCopyKeepsLargeFiles(t *testing.T) {
	source, dest := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(source+"/large", bytes.Repeat([]byte("0123456789abcdef"), 1<<16), 0o600))
	must(t, apply(t, copyOf("/large", "/l"), dest, &tree.Tree{Root: source}))
	same(t, source+"/large", dest+"/l")
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	must(t, err)
	y, err := os.ReadFile(b)
	must(t, err)
	if !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ", a, b)
	}
}

func TestCopyKeepsExtendedAttributes(t *testing.T) {
	source, dest := grow(t, "d/f = F"), t.TempDir()
	capability := sys.Xattr{Name: "security.capability", Value: []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}
	note := sys.Xattr{Name: "user.note", Value: []byte("kept")}
	for path, x := range map[string]sys.Xattr{"/d/f": capability, "/d": note} {
		setXattr(t, source+path, x)
	}
	must(t, apply(t, copyOf("/", "/"), dest, &tree.Tree{Root: source}))
	for path, x := range map[string]sys.Xattr{"/d/f": capability, "/d": note} {
		got := xattrs(t, dest+path)
		if len(got) != 1 || got[0].Name != x.Name || !bytes.Equal(got[0].Value, xattrs(t, source+path)[0].Value) {
			t.Errorf("%s has %v", path, got)
		}
	}
	before := digestOf(t, "/d", source)
	setXattr(t, source+"/d/f", note)
	if digestOf(t, "/d", source) == before {
		t.Error("an attribute does not count")
	}
}

func setXattr(t *testing.T, path string, x sys.Xattr) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	must(t, sys.SetXattr(f, x))
}

func xattrs(t *testing.T, path string) []sys.Xattr {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	x, err := sys.Xattrs(f)
	must(t, err)
	return x
}
