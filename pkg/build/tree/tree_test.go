package tree_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// grow makes a tree of files, "PATH" or "PATH -> LINK".
func grow(t *testing.T, lines ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, line := range lines {
		path, target, link := strings.Cut(line, " -> ")
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755))
		if link {
			must(t, os.Symlink(target, filepath.Join(root, path)))
			continue
		}
		must(t, os.WriteFile(filepath.Join(root, path), []byte(path), 0o644))
	}
	return root
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// list is a visitor that writes down what it is shown.
type list []string

func (l *list) Enter(e *tree.Entry) error { return l.add(e.Path + "/") }
func (l *list) Visit(e *tree.Entry) error { return l.add(e.Path) }
func (l *list) Leave(*tree.Entry) error   { return nil }

func (l *list) add(path string) error {
	*l = append(*l, path)
	return nil
}

func walk(t *testing.T, tr *tree.Tree, s tree.Selection) (list, error) {
	t.Helper()
	v, err := tr.Open()
	must(t, err)
	defer v.Close()
	var seen list
	err = v.Walk(t.Context(), s, &seen)
	return seen, err
}

func TestPatternsSelect(t *testing.T) {
	root := grow(t, "Dockerfile", "src/main.go", "src/sub/x.go", "src/sub/x.txt", "node_modules/a/b.js", "node_modules/keep/c.js",
		"docs/a.md", "docs/b.txt", "l -> src/sub", "up -> ../../../etc", "abs -> /docs")
	for _, test := range []struct {
		name    string
		tree    tree.Tree
		path    string
		include []string
		want    string
	}{
		{"all of a directory", tree.Tree{}, "docs", nil, "/ a.md b.txt"},
		{"one file", tree.Tree{}, "docs/a.md", nil, ""},
		{"include", tree.Tree{Include: []string{"src"}}, "", nil, "/ src/ src/main.go src/sub/ src/sub/x.go src/sub/x.txt"},
		{"include with wildcards", tree.Tree{Include: []string{"**/*.go"}}, "", nil, "/ src/ src/main.go src/sub/ src/sub/x.go"},
		{"exclude", tree.Tree{Exclude: []string{"node_modules", "src", "l", "up", "abs"}}, "", nil, "/ Dockerfile docs/ docs/a.md docs/b.txt"},
		{"exclude with an exception", tree.Tree{Exclude: []string{"*", "!src/**/*.txt"}}, "", nil, "/ src/ src/sub/ src/sub/x.txt"},
		{"the last pattern counts", tree.Tree{Exclude: []string{"*", "!docs", "docs/a.md"}}, "", nil, "/ docs/ docs/b.txt"},
		{"patterns of both", tree.Tree{Exclude: []string{"**/*.txt"}}, "src", []string{"sub"}, "/ sub/ sub/x.go"},
		{"links are followed", tree.Tree{Follow: []string{"l", "abs"}}, "", nil, "/ abs docs/ docs/a.md docs/b.txt l src/ src/sub/ src/sub/x.go src/sub/x.txt"},
		{"wildcards are followed", tree.Tree{Follow: []string{"a*"}}, "", nil, "/ abs docs/ docs/a.md docs/b.txt"},
		{"the root is everything", tree.Tree{Follow: []string{".", "l"}}, "docs", nil, "/ a.md b.txt"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.tree.Root = root
			seen, err := walk(t, &test.tree, tree.Selection{Path: test.path, Include: test.include})
			must(t, err)
			if got := strings.Join(seen, " "); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestLinksStayInside(t *testing.T) {
	outside := grow(t, "secret")
	root := grow(t, "in/file", "abs -> "+outside, "up -> ../../../../../../../.."+outside, "in/root -> /in", "a -> b", "b -> a")
	for _, path := range []string{"abs", "abs/secret", "up", "up/secret", "../" + filepath.Base(outside) + "/secret", "in/root/../../up/secret"} {
		if seen, err := walk(t, &tree.Tree{Root: root}, tree.Selection{Path: path, Follow: true}); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: %v, %v", path, seen, err)
		}
	}
	if _, err := walk(t, &tree.Tree{Root: root}, tree.Selection{Path: "a", Follow: true}); err == nil {
		t.Error("links in a circle are followed")
	}
	seen, err := walk(t, &tree.Tree{Root: root}, tree.Selection{Path: "in/root", Follow: true})
	must(t, err)
	if !slices.Equal(seen, list{"/", "file", "root"}) {
		t.Error(seen)
	}
}

func TestWhatIsLeftOutIsNotRead(t *testing.T) {
	root := grow(t, "Dockerfile", "big/file", "src/x")
	tr := &tree.Tree{Root: root, Exclude: []string{"big"}}
	before, err := tr.Digest(t.Context(), "/")
	must(t, err)
	must(t, os.WriteFile(root+"/big/new", nil, 0o644))
	// Reading a directory sets its time of access, if that is before the one of its change.
	long := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	must(t, os.Chtimes(root+"/big", long, time.Now()))
	after, err := tr.Digest(t.Context(), "/")
	must(t, err)
	if before != after {
		t.Error("what is left out counts")
	}
	info, err := os.Stat(root + "/big")
	must(t, err)
	if at := info.Sys().(*syscall.Stat_t).Atim.Sec; at != long.Unix() {
		t.Error("what is left out was read")
	}
}

func TestContentsAreRememberedUntilTheyChange(t *testing.T) {
	root, dir := grow(t, "a", "d/b"), t.TempDir()
	time.Sleep(1100 * time.Millisecond) // files that were just written are not remembered
	sum := func() string {
		known := tree.OpenKnown(dir, root)
		d, err := (&tree.Tree{Root: root, Known: known}).Digest(t.Context(), "/")
		must(t, err)
		must(t, known.Save())
		return string(d)
	}
	first := sum()
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 1 {
		t.Fatalf("%d files", len(entries))
	}
	path := filepath.Join(dir, entries[0].Name())
	if sum() != first {
		t.Error("another digest of the same")
	}
	now := time.Now().Add(time.Hour)
	must(t, os.Chtimes(root+"/a", now, now))
	if sum() != first {
		t.Error("times count")
	}
	info, err := os.Stat(root + "/d/b")
	must(t, err)
	must(t, os.WriteFile(root+"/d/b", []byte("c/b"), 0o644))
	must(t, os.Chtimes(root+"/d/b", info.ModTime(), info.ModTime()))
	if sum() == first {
		t.Error("a change that keeps size and time was missed")
	}
	must(t, os.WriteFile(root+"/d/b", []byte("d/b"), 0o644))
	for _, damage := range []string{"", "moss contents 1\n", "garbage", strings.Repeat("x", 200)} {
		must(t, os.WriteFile(path, []byte(damage), 0o600))
		if sum() != first {
			t.Errorf("damaged by %q", damage)
		}
	}
	b, err := os.ReadFile(path)
	must(t, err)
	if len(b) > 60 {
		b[60] ^= 1
	}
	must(t, os.WriteFile(path, b, 0o600))
	if sum() != first {
		t.Error("a flipped bit was believed")
	}
}

func TestManyTreesAreForgotten(t *testing.T) {
	dir, root := t.TempDir(), grow(t, "a")
	time.Sleep(1100 * time.Millisecond)
	for i := range 70 {
		known := tree.OpenKnown(dir, fmt.Sprint(i))
		_, err := (&tree.Tree{Root: root, Known: known}).Digest(t.Context(), "/")
		must(t, err)
		must(t, known.Save())
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 64 {
		t.Errorf("%d are remembered", len(entries))
	}
}

func TestAWalkEndsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&tree.Tree{Root: grow(t, "a")}).Digest(ctx, "/"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Holes are summed without reading them: what a file contains is the same with zeros in their place.
func TestHolesAreZeros(t *testing.T) {
	for what, c := range map[string]struct {
		size int64
		data []int64 // where something is written
	}{
		"nothing but a hole":       {1<<20 + 3, nil},
		"at its beginning":         {1 << 20, []int64{1<<20 - 4}},
		"at its end, and odd":      {3<<20 + 1, []int64{0, 70_001}},
		"between, not at pages":    {5<<20 - 7, []int64{4093, 1<<20 + 1, 5<<20 - 11}},
		"small":                    {70_000, []int64{69_990}},
		"smaller than what counts": {20_000, []int64{19_990}},
	} {
		var sums []string
		for _, dense := range []bool{false, true} {
			root := t.TempDir()
			f, err := os.Create(filepath.Join(root, "file"))
			must(t, err)
			must(t, f.Truncate(c.size))
			if dense {
				_, err = f.Write(make([]byte, c.size))
				must(t, err)
			}
			for _, at := range c.data {
				_, err := f.WriteAt([]byte("data"), at)
				must(t, err)
			}
			must(t, f.Close())
			sum, err := (&tree.Tree{Root: root}).Digest(t.Context(), "/")
			must(t, err)
			sums = append(sums, sum.String())
		}
		if sums[0] != sums[1] {
			t.Errorf("%s: %s with holes, %s with zeros", what, sums[0], sums[1])
		}
	}
}
