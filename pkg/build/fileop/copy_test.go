package fileop_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/build/fileop"
	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

type change = func(*pb.FileActionCopy)

func TestCopyPutsFilesWhereDockerDoes(t *testing.T) {
	const context = `
		a 600 = A
		b 4755 = B
		dir/ 750
		dir/c 644 5:6 = C
		dir/sub/d = D
		dir/sub/x.go = X
		link -> dir
		many/1.txt = 1
		many/2.txt = 2
		many/3.log = 3`
	exclude := func(patterns ...string) change {
		return func(a *pb.FileActionCopy) { a.ExcludePatterns = patterns }
	}
	parents := func(pattern string, required ...string) change {
		return func(a *pb.FileActionCopy) { a.IncludePatterns, a.RequiredPaths = []string{pattern}, required }
	}
	mode := func(m int32) change { return func(a *pb.FileActionCopy) { a.Mode = m } }
	symbolic := func(m string) change { return func(a *pb.FileActionCopy) { a.ModeStr = m } }
	inPlace := func(a *pb.FileActionCopy) { a.FollowSymlink, a.DirCopyContents = false, false }
	for _, test := range []struct {
		name, src, image, dest string
		change                 change
		want                   string
	}{
		{"a file gets a new name", "/a", "", "/z", nil, "z 600 = A"},
		{"a file goes into a directory", "/a", "d/", "/d", nil, "d/ 755 *\nd/a 600 = A"},
		{"a slash makes a directory", "/b", "", "/x/y/", nil, "x/ 755 *\nx/y/ 755 *\nx/y/b 4755 = B"},
		{"a file replaces a file", "/a", "z 777 = old", "/z", nil, "z 600 = A"},
		{"a file goes to where a link leads", "/a", "real/\nl -> /real", "/l/", nil, "l -> /real\nreal/ 755 *\nreal/a 600 = A"},
		{"a link to nothing is made good", "/a", "var/run -> /run", "/var/run/", nil, "run/ 755 *\nrun/a 600 = A\nvar/ 755\nvar/run -> /run"},
		{"a link replaces what it leads to", "/a", "real = old\nl -> real", "/l", nil, "l -> real\nreal 600 = A"},
		{"a directory's content into a new one", "/dir", "", "/x", nil, "x/ 750\nx/c 644 5:6 = C\nx/sub/ 755\nx/sub/d 644 = D\nx/sub/x.go 644 = X"},
		{"a directory's content into one that the slash makes", "/dir", "", "/x/", nil, "x/ 755\nx/c 644 5:6 = C\nx/sub/ 755\nx/sub/d 644 = D\nx/sub/x.go 644 = X"},
		{
			"a directory's content into one that is there", "/dir/", "x/ 700 1:1\nx/c = old\nx/sub/ 700\nx/more = M", "/x", nil,
			"x/ 700 1:1\nx/c 644 5:6 = C\nx/more 644 = M\nx/sub/ 755\nx/sub/d 644 = D\nx/sub/x.go 644 = X",
		},
		{"a link to a directory is followed", "/link", "", "/x", nil, "x/ 750\nx/c 644 5:6 = C\nx/sub/ 755\nx/sub/d 644 = D\nx/sub/x.go 644 = X"},
		{"a link in between is followed", "/link/c", "", "/", nil, "c 644 5:6 = C"},
		{"a link stays a link in place", "/link", "", "/x", inPlace, "x -> dir"},
		{"a directory stays a directory in place", "/many", "x/", "/x", inPlace, "x/ 755 *\nx/many/ 755\nx/many/1.txt 644 = 1\nx/many/2.txt 644 = 2\nx/many/3.log 644 = 3"},
		{"wildcards", "/many/*.txt", "", "/x/", nil, "x/ 755 *\nx/1.txt 644 = 1\nx/2.txt 644 = 2"},
		{"wildcards in between", "/*r/s?b/[dx]", "", "/x/", nil, "x/ 755 *\nx/d 644 = D"},
		{"wildcards behind a link", "/link/*b/x.*", "", "/x/", nil, "x/ 755 *\nx/x.go 644 = X"},
		{"wildcards that match nothing", "/none*", "", "/x/", nil, ""},
		{"exclude", "/", "", "/x/", exclude("dir", "**/*.log", "link", "b"), "x/ 755\nx/a 600 = A\nx/many/ 755\nx/many/1.txt 644 = 1\nx/many/2.txt 644 = 2"},
		{"exclude with an exception", "/dir", "", "/x", exclude("**", "!sub/d"), "x/ 750\nx/sub/ 755\nx/sub/d 644 = D"},
		{"parents", "/", "", "/x/", parents("dir/sub/d", "/dir/sub/d"), "x/ 755\nx/dir/ 750\nx/dir/sub/ 755\nx/dir/sub/d 644 = D"},
		{"parents with wildcards", "/", "", "/x/", parents("**/*.go"), "x/ 755\nx/dir/ 750\nx/dir/sub/ 755\nx/dir/sub/x.go 644 = X"},
		{"parents from a pivot", "/dir", "", "/x/", parents("sub/d", "/dir/sub/d"), "x/ 755\nx/sub/ 755\nx/sub/d 644 = D"},
		{"chmod", "/dir", "", "/x/", mode(0o4711), "x/ 711\nx/c 4711 5:6 = C\nx/sub/ 4711\nx/sub/d 4711 = D\nx/sub/x.go 4711 = X"},
		{"chmod by symbols", "/dir", "", "/x/y/", symbolic("u=rwX,go=rX"), "x/ 755 *\nx/y/ 755\nx/y/c 644 5:6 = C\nx/y/sub/ 755\nx/y/sub/d 644 = D\nx/y/sub/x.go 644 = X"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dest := grow(t, test.image)
			action := copyOf(test.src, test.dest)
			if test.change != nil {
				action = copyOf(test.src, test.dest, test.change)
			}
			must(t, apply(t, action, dest, &tree.Tree{Root: grow(t, context)}))
			want(t, dest, test.want)
		})
	}
}

func TestCopyGivesOwners(t *testing.T) {
	const passwd = "etc/passwd 644 = root:x:0:0::/root:/bin/sh\netc/group 644 = root:x:0:"
	name := func(n string) *pb.UserOpt {
		return &pb.UserOpt{User: &pb.UserOpt_ByName{ByName: &pb.NamedUserOpt{Name: n}}}
	}
	id := func(n uint32) *pb.UserOpt { return &pb.UserOpt{User: &pb.UserOpt_ByID{ByID: n}} }
	for _, test := range []struct {
		name  string
		owner *pb.ChownOpt
		want  string // or a part of the error
	}{
		{"as it was", nil, "7:8"},
		{"an id is a group's too", &pb.ChownOpt{User: id(5)}, "5:5"},
		{"two ids", &pb.ChownOpt{User: id(5), Group: id(6)}, "5:6"},
		{"a name has its group", &pb.ChownOpt{User: name("web")}, "33:44"},
		{"two names", &pb.ChownOpt{User: name("web"), Group: name("staff")}, "33:50"},
		{"an unknown name", &pb.ChownOpt{User: name("nobody")}, `cannot give files to "nobody": /etc/passwd of the image does not have that name`},
		{"an unknown group", &pb.ChownOpt{User: id(5), Group: name("wheel")}, `cannot give files to "wheel": /etc/group of the image does not have that name`},
		{"no id", &pb.ChownOpt{User: id(1<<32 - 1)}, "cannot give files to user -1, group -1: there is no id -1"},
		{"no id of a group", &pb.ChownOpt{User: id(5), Group: id(1<<32 - 1)}, "cannot give files to user 5, group -1"},
		{"a name made to be no id", &pb.ChownOpt{User: name("odd")}, `cannot give files to "odd"`},
		{"a name made to parse as 0", &pb.ChownOpt{User: name("evil")}, `cannot give files to "evil"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			dest := grow(t, passwd)
			addLine(t, dest+"/etc/passwd", "web:x:33:44::/:/bin/sh", "evil:x:4294967296:0::/:", "odd:x:-1:0::/:")
			addLine(t, dest+"/etc/group", "staff:x:50:")
			source := grow(t, "f 644 7:8 = F")
			err := apply(t, copyOf("/f", "/new/f", func(a *pb.FileActionCopy) { a.Owner = test.owner }), dest, &tree.Tree{Root: source})
			if strings.HasPrefix(test.want, "cannot") {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("got %v, want %s", err, test.want)
				}
				return
			}
			must(t, err)
			above := " " + test.want
			if test.owner == nil {
				above = ""
			}
			if got := show(t, dest); !strings.Contains(got, "new/ 755"+above+" *\nnew/f 644 "+test.want+" = F") {
				t.Error(got)
			}
		})
	}
}

func TestContextBelongsToRoot(t *testing.T) {
	dest := t.TempDir()
	source := &tree.Tree{Root: grow(t, "d/ 755 7:8\nd/f 644 7:8 = F"), RootOwned: true}
	must(t, apply(t, copyOf("/", "/"), dest, source))
	want(t, dest, "d/ 755\nd/f 644 = F")
}

func TestCopySetsOneTime(t *testing.T) {
	dest := t.TempDir()
	source := grow(t, "d/f = F")
	stamp := func(a *pb.FileActionCopy) { a.Timestamp = old.UnixNano() }
	must(t, apply(t, copyOf("/d", "/x/y/z", stamp), dest, &tree.Tree{Root: source}))
	want(t, dest, "x/ 755\nx/y/ 755\nx/y/z/ 755\nx/y/z/f 644 = F")
}

func TestCopyReplacesWhatIsThereWhenAsked(t *testing.T) {
	const context, image = "a/f = F\nb = B", "a -> /etc\nb/c = C\netc/"
	always := func(a *pb.FileActionCopy) { a.AlwaysReplaceExistingDestPaths = true }
	dest := grow(t, image)
	must(t, apply(t, copyOf("/", "/", always), dest, &tree.Tree{Root: grow(t, context)}))
	want(t, dest, "a/ 755\na/f 644 = F\nb 644 = B\netc/ 755")
}

func TestCopyThatCannotBe(t *testing.T) {
	const context, image = "a/f = F\nb = B\nignored = I\nlink -> nowhere", "a -> /etc\nb/c = C\nfile = F"
	for _, test := range []struct {
		name, src, dest string
		change          change
		kind            error
		want            string
	}{
		{"nothing there", "/none", "/", nil, errdefs.ErrNotFound, "cannot find /none: no such file or directory"},
		{"left out", "/ignored", "/", nil, errdefs.ErrNotFound, "cannot find /ignored: .dockerignore leaves it out"},
		{"a link to nothing", "/link", "/", nil, errdefs.ErrNotFound, "cannot find /link: no such file or directory"},
		{"a directory over a link", "/", "/", func(a *pb.FileActionCopy) { a.ExcludePatterns = []string{"b"} }, errdefs.ErrConflict, "cannot copy a directory to /a: there is something that is no directory"},
		{"a file over a directory", "/", "/", func(a *pb.FileActionCopy) { a.ExcludePatterns = []string{"a"} }, errdefs.ErrConflict, "cannot copy a file to /b: it is a directory"},
		{"below a file", "/b", "/file/x", nil, errdefs.ErrConflict, "cannot make the directory /file: it, or one above it, is there and is no directory"},
		{"no directory to copy to", "/b", "/none/x", func(a *pb.FileActionCopy) { a.CreateDestPath = false }, errdefs.ErrNotFound, "cannot copy to /none/x: the directory above it is not there"},
		{"a wildcard that must match", "/none*", "/", func(a *pb.FileActionCopy) { a.AllowEmptyWildcard = false }, errdefs.ErrNotFound, "cannot copy /none*: nothing matches"},
		{"a required path", "/", "/x/", func(a *pb.FileActionCopy) {
			a.IncludePatterns, a.RequiredPaths = []string{"a/g"}, []string{"/a/g"}
		}, errdefs.ErrNotFound, "cannot find /a/g: no such file or directory"},
		{"a bad pattern", "/[", "/", nil, errdefs.ErrInvalid, "cannot use the pattern /["},
		{"a bad mode", "/b", "/", func(a *pb.FileActionCopy) { a.ModeStr = "u=q" }, errdefs.ErrInvalid, `cannot change modes to "u=q"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			source := &tree.Tree{Root: grow(t, context), Exclude: []string{"ignored"}}
			action := copyOf(test.src, test.dest)
			if test.change != nil {
				action = copyOf(test.src, test.dest, test.change)
			}
			err := apply(t, action, grow(t, image), source)
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %v: %s", err, test.kind, test.want)
			}
		})
	}
}

func TestDigestTellsWhatACopyReads(t *testing.T) {
	const context = "a 644 = A\nd/f 644 = F\nd/l -> f\nother = O"
	for _, test := range []struct {
		name, change string
		same         bool
	}{
		{"the same again", "", true},
		{"a file that is not read", "other 600 = P", true},
		{"content", "d/f 644 = G", false},
		{"a mode", "d/f 600 = F", false},
		{"an owner", "d/f 644 1:0 = F", false},
		{"one more file", "d/g = G", false},
		{"a mode of a directory", "d/ 700", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := digestOf(t, "/d", grow(t, context))
			after := digestOf(t, "/d", grow(t, context+"\n"+test.change))
			if (before == after) != test.same {
				t.Errorf("%s, then %s", before, after)
			}
		})
	}
	if digestOf(t, "/a", grow(t, "a = X")) == digestOf(t, "/b", grow(t, "b = X")) {
		t.Error("the name does not matter")
	}
}

func digestOf(t *testing.T, src, root string) string {
	t.Helper()
	d, err := fileop.Digest(t.Context(), copyOf(src, "/"), &tree.Tree{Root: root})
	must(t, err)
	return string(d)
}
