package fileop_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/build/fileop"
	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

func unpacking(a *pb.FileActionCopy) { a.AttemptUnpackDockerCompatibility = true }

// archive makes a tar archive. Regular files have their link name as content.
func archive(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content, h.Linkname = h.Linkname, ""
			h.Size = int64(len(content))
		}
		h.ModTime = old
		h.Format = tar.FormatPAX
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		must(t, w.WriteHeader(&h))
		_, err := io.WriteString(w, content)
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

func file(name, content string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: content}
}

func entry(kind byte, name, link string) tar.Header {
	return tar.Header{Typeflag: kind, Name: name, Linkname: link}
}

func TestArchivesAreUnpacked(t *testing.T) {
	source := t.TempDir()
	plain := archive(t, tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o700},
		tar.Header{Typeflag: tar.TypeDir, Name: "d/", Mode: 0o750, Uid: 5, Gid: 6},
		tar.Header{Typeflag: tar.TypeReg, Name: "d/f", Mode: 0o4755, Uid: 7, Gid: 8, Linkname: "F"},
		entry(tar.TypeSymlink, "d/l", "/etc/passwd"), entry(tar.TypeLink, "hard", "d/f"), file("implied/f", "I"))
	must(t, os.WriteFile(source+"/a.tar", plain, 0o600))
	for suffix, program := range map[string]string{".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"} {
		cmd := exec.Command(program, "-c", source+"/a.tar")
		packed, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", program, err)
		}
		must(t, os.WriteFile(source+"/a.tar"+suffix, packed, 0o600))
	}
	for _, name := range []string{"a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "a.tar.zst"} {
		t.Run(name, func(t *testing.T) {
			dest := grow(t, "x/d/ 700\nx/d/f/g = replaced\nx/hard -> /etc")
			must(t, apply(t, copyOf("/"+name, "/x", unpacking), dest, &tree.Tree{Root: source}))
			want(t, dest, `x/ 755 *
				x/d/ 750 5:6
				x/d/f 4755 7:8 = F
				x/d/l -> /etc/passwd
				x/hard 4755 7:8 = F
				x/implied/ 755 *
				x/implied/f 644 = I`)
		})
	}
	t.Run("as somebody", func(t *testing.T) {
		dest := t.TempDir()
		own := func(a *pb.FileActionCopy) {
			a.Owner = &pb.ChownOpt{User: &pb.UserOpt{User: &pb.UserOpt_ByID{ByID: 9}}}
		}
		must(t, apply(t, copyOf("/a.tar", "/", unpacking, own), dest, &tree.Tree{Root: source}))
		if got := show(t, dest); !strings.Contains(got, "d/f 4755 9:9 = F") || !strings.Contains(got, "d/ 750 9:9") {
			t.Error(got)
		}
	})
}

func TestWhatIsNoArchiveIsCopied(t *testing.T) {
	source := grow(t, "empty\ntext = text\ndir/a = A")
	must(t, os.WriteFile(source+"/data.gz", gz(t, []byte("no archive")), 0o644))
	must(t, os.Chtimes(source+"/data.gz", old, old))
	dest := t.TempDir()
	must(t, apply(t, copyOf("/*", "/x/", unpacking), dest, &tree.Tree{Root: source}))
	same(t, source+"/data.gz", dest+"/x/data.gz")
	must(t, os.Remove(dest+"/x/data.gz"))
	want(t, dest, "x/ 755 *\nx/a 644 = A\nx/empty 644 = \nx/text 644 = text")
}

func gz(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	must(t, err)
	must(t, w.Close())
	return out.Bytes()
}

func TestHostileArchives(t *testing.T) {
	huge := tar.Header{Typeflag: tar.TypeReg, Name: "huge", Mode: 0o644, Size: 1 << 60, Format: tar.FormatGNU}
	var lying bytes.Buffer
	must(t, tar.NewWriter(&lying).WriteHeader(&huge))
	for _, test := range []struct {
		name    string
		archive []byte
		kind    error // nil: it is unpacked, confined
		want    string
	}{
		{"a path that climbs", archive(t, file("../outside/new", "x")), errdefs.ErrInvalid, `cannot unpack the entry "../outside/new"`},
		{"a path that climbs later", archive(t, file("a/../../outside/new", "x")), errdefs.ErrInvalid, `cannot unpack the entry "a/../../outside/new"`},
		{"an absolute path", archive(t, file("/etc/new", "x")), nil, "etc/new 644 = x"},
		{"a write through a link that climbs", archive(t, entry(tar.TypeSymlink, "l", "../../../../../../outside"), file("l/new", "x")), nil, "outside/new 644 = x"},
		{"a write through an absolute link", archive(t, entry(tar.TypeSymlink, "l", "OUTSIDE"), file("l/new", "x")), nil, "new 644 = x"},
		{"a file over a link", archive(t, entry(tar.TypeSymlink, "l", "OUTSIDE/kept"), file("l", "x")), nil, "l 644 = x"},
		{"a hard link that climbs", archive(t, entry(tar.TypeLink, "l", "../outside/kept"), file("l", "x")), errdefs.ErrInvalid, `cannot unpack the entry "l"`},
		{"a hard link through a link", archive(t, entry(tar.TypeSymlink, "d", "OUTSIDE"), entry(tar.TypeLink, "l", "d/kept")), os.ErrNotExist, `cannot unpack the entry "l"`},
		{"a file through a hard link to a link", archive(t, entry(tar.TypeSymlink, "d", "OUTSIDE/kept"), entry(tar.TypeLink, "l", "d"), file("l", "x")), nil, "l 644 = x"},
		{"a directory over a link", archive(t, entry(tar.TypeSymlink, "d", "OUTSIDE"), tar.Header{Typeflag: tar.TypeDir, Name: "d", Mode: 0o777}, file("d/new", "x")), nil, "d/new 644 = x"},
		{"links in a circle", archive(t, entry(tar.TypeSymlink, "a", "b"), entry(tar.TypeSymlink, "b", "a"), file("a/x", "x")), syscall.ELOOP, `cannot unpack the entry "a/x"`},
		{"an owner that is none", archive(t, tar.Header{Typeflag: tar.TypeReg, Name: "f", Uid: 1 << 32}), errdefs.ErrInvalid, "its owner is 4294967296:0"},
		{"a type that is none", archive(t, tar.Header{Typeflag: 'Z', Name: "f"}), errdefs.ErrInvalid, "its type is 'Z'"},
		{"one EiB", lying.Bytes(), errdefs.ErrNoSpace, `cannot unpack the entry "huge": it has 1152921504606846976 bytes`},
		{"cut off", archive(t, file("f", strings.Repeat("x", 4096)))[:2048], io.ErrUnexpectedEOF, `cannot unpack the entry "f"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			outside := grow(t, "kept 640 = kept")
			before := show(t, outside)
			source, dest := t.TempDir(), t.TempDir()
			// The place outside has a name of just this length, so that the archive stays in order.
			b := bytes.ReplaceAll(test.archive, []byte("OUTSIDE"), []byte("/o/o/oo"))
			must(t, os.WriteFile(source+"/a.tar", fixSums(b), 0o600))
			err := apply(t, copyOf("/a.tar", "/x/", unpacking), dest, &tree.Tree{Root: source})
			if show(t, outside) != before {
				t.Errorf("outside: %s", show(t, outside))
			}
			if test.kind != nil {
				if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %v: %s", err, test.kind, test.want)
				}
				return
			}
			must(t, err)
			if got := show(t, dest+"/x"); !strings.Contains(got, test.want) {
				t.Error(got)
			}
		})
	}
}

// fixSums makes the headers' sums right after a change.
func fixSums(b []byte) []byte {
	for at := 0; at+512 <= len(b); at += 512 {
		h := b[at : at+512]
		if string(h[257:262]) != "ustar" {
			continue
		}
		copy(h[148:156], "        ")
		sum := 0
		for _, c := range h {
			sum += int(c)
		}
		copy(h[148:156], []byte(strings.ToLower(oct(sum))+"\x00 "))
	}
	return b
}

func oct(n int) string {
	s := ""
	for range 6 {
		s, n = string(rune('0'+n%8))+s, n/8
	}
	return s
}

func TestBombsTakeNoMemory(t *testing.T) {
	// One gigabyte of zeros, as a sparse file and as gzip of gzip would have it.
	source, dest := t.TempDir(), t.TempDir()
	script := `truncate -s 1G sparse && tar -cSf sparse.tar sparse && rm sparse`
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = source
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	must(t, apply(t, copyOf("/sparse.tar", "/", unpacking), dest, &tree.Tree{Root: source}))
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("it took %d bytes", grown)
	}
	info, err := os.Stat(dest + "/sparse")
	must(t, err)
	if info.Size() != 1<<30 || info.Sys().(*syscall.Stat_t).Blocks > 1024 {
		t.Errorf("%d bytes in %d blocks", info.Size(), info.Sys().(*syscall.Stat_t).Blocks)
	}
}

func TestUnpackingEndsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := fileop.Unpack(ctx, bytes.NewReader(archive(t, file("f", "x"))), t.TempDir())
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestMemoryOfCompressionIsBounded(t *testing.T) {
	plain := archive(t, file("f", strings.Repeat("x", 1<<20)))
	for program, patch := range map[string]func([]byte){
		"xz": func(b []byte) { // the first block's dictionary is to have 4 GiB
			header := b[12 : 12+(int(b[12])+1)*4]
			header[4] = 40
			end := len(header) - 4
			binary.LittleEndian.PutUint32(header[end:], crc32.ChecksumIEEE(header[:end]))
		},
		"zstd": func(b []byte) { b[5] = 21 << 3 }, // the window 2 GiB
	} {
		t.Run(program, func(t *testing.T) {
			cmd := exec.Command(program, "-c")
			cmd.Stdin = bytes.NewReader(plain)
			b, err := cmd.Output()
			must(t, err)
			patch(b)
			source := t.TempDir()
			must(t, os.WriteFile(source+"/a", b, 0o600))
			err = apply(t, copyOf("/a", "/", unpacking), t.TempDir(), &tree.Tree{Root: source})
			if err == nil || !strings.Contains(err.Error(), "it takes more than 128 MiB of memory") {
				t.Error(err)
			}
		})
	}
}
