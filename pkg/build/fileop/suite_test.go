package fileop_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/build/fileop"
	"github.com/mosscontainers/moss/pkg/build/tree"
)

// TestMain runs the tests as the super-user of a namespace, as the package is used, where it is not root already.
func TestMain(m *testing.M) {
	if os.Getuid() != 0 {
		argv := append([]string{"unshare", "--user", "--map-root-user", "--map-auto", "/proc/self/exe"}, os.Args[1:]...)
		argv[4], _ = os.Executable()
		panic(syscall.Exec("/usr/bin/unshare", argv, os.Environ()))
	}
	syscall.Umask(0o077) // no mode comes out right by itself
	os.Exit(m.Run())
}

// old is the time of all that grow makes.
var old = time.Date(2001, 2, 3, 4, 5, 6, 7000, time.UTC)

// grow makes a tree. A line is "PATH", "PATH MODE", "PATH MODE UID:GID" and then " = CONTENT" or " -> LINK"; a path that ends
// in a slash is a directory, "PATH == OTHER" a hard link, "PATH | MODE" a FIFO.
func grow(t *testing.T, lines string) string {
	t.Helper()
	root := t.TempDir()
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); line != "" {
			plant(t, root, line)
		}
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeSymlink == 0 {
			must(t, os.Chtimes(path, old, old))
		}
		return err
	})
	must(t, err)
	return root
}

func plant(t *testing.T, root, line string) {
	t.Helper()
	if path, first, ok := strings.Cut(line, " == "); ok {
		mkdirAll(t, filepath.Dir(filepath.Join(root, path)))
		must(t, os.Link(filepath.Join(root, first), filepath.Join(root, path)))
		return
	}
	if path, target, ok := strings.Cut(line, " -> "); ok {
		mkdirAll(t, filepath.Dir(filepath.Join(root, path)))
		must(t, os.Symlink(target, filepath.Join(root, path)))
		return
	}
	if path, mode, ok := strings.Cut(line, " | "); ok {
		must(t, syscall.Mkfifo(filepath.Join(root, path), 0))
		must(t, os.Chmod(filepath.Join(root, path), parseMode(t, mode)))
		return
	}
	head, content, _ := strings.Cut(line, " = ")
	words := strings.Fields(head)
	path := filepath.Join(root, words[0])
	mode := fs.FileMode(0o644)
	if strings.HasSuffix(words[0], "/") {
		mode = 0o755
		mkdirAll(t, path)
	} else {
		mkdirAll(t, filepath.Dir(path))
		must(t, os.WriteFile(path, []byte(content), 0o600))
	}
	if len(words) > 2 {
		var uid, gid int
		if _, err := fmt.Sscanf(words[2], "%d:%d", &uid, &gid); err != nil {
			t.Fatal(err)
		}
		must(t, os.Chown(path, uid, gid))
	}
	if len(words) > 1 {
		mode = parseMode(t, words[1])
	}
	must(t, os.Chmod(path, mode))
}

func mkdirAll(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err == nil {
		return
	}
	mkdirAll(t, filepath.Dir(path))
	must(t, os.Mkdir(path, 0o755))
	must(t, os.Chmod(path, 0o755))
}

func parseMode(t *testing.T, s string) fs.FileMode {
	t.Helper()
	var bits uint32
	if _, err := fmt.Sscanf(s, "%o", &bits); err != nil {
		t.Fatal(err)
	}
	m := fs.FileMode(bits & 0o777)
	for bit, mode := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&bit != 0 {
			m |= mode
		}
	}
	return m
}

// show says what is in a tree as grow takes it, with a star behind what does not have the old time.
func show(t *testing.T, root string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err == nil {
			out.WriteString(showOne(t, root, path, info) + "\n")
		}
		return err
	})
	must(t, err)
	return out.String()
}

func showOne(t *testing.T, root, path string, info fs.FileInfo) string {
	t.Helper()
	st := info.Sys().(*syscall.Stat_t)
	name, err := filepath.Rel(root, path)
	must(t, err)
	line := name
	if info.IsDir() {
		line += "/"
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		line += fmt.Sprintf(" %o", st.Mode&0o7777)
	}
	if st.Uid != 0 || st.Gid != 0 {
		line += fmt.Sprintf(" %d:%d", st.Uid, st.Gid)
	}
	switch info.Mode().Type() {
	case fs.ModeSymlink:
		target, err := os.Readlink(path)
		must(t, err)
		return line + " -> " + target
	case 0:
		b, err := os.ReadFile(path)
		must(t, err)
		line += " = " + string(b)
	case fs.ModeDir:
	default:
		line += " " + info.Mode().Type().String()
	}
	if !info.ModTime().Equal(old) {
		line += " *"
	}
	return line
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, root, lines string) {
	t.Helper()
	var clean strings.Builder
	for line := range strings.Lines(lines) {
		if line = strings.TrimLeft(line, "\t\n"); line != "" {
			clean.WriteString(strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	if got := show(t, root); got != clean.String() {
		t.Errorf("got\n%swant\n%s", got, clean.String())
	}
}

// copyOf is what the Dockerfile front end makes of COPY.
func copyOf(src, dest string, change ...func(*pb.FileActionCopy)) *pb.FileAction {
	a := &pb.FileActionCopy{
		Src: src, Dest: dest, Mode: -1, Timestamp: -1, FollowSymlink: true, DirCopyContents: true,
		CreateDestPath: true, AllowWildcard: true, AllowEmptyWildcard: true,
	}
	for _, c := range change {
		c(a)
	}
	return &pb.FileAction{Action: &pb.FileAction_Copy{Copy: a}}
}

func apply(t *testing.T, action *pb.FileAction, dest string, source *tree.Tree) error {
	t.Helper()
	return fileop.Apply(t.Context(), action, fileop.Options{
		Dest: dest, Source: source, Root: func(int64) (string, error) { return dest, nil },
	})
}
