package store

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	splitstorage "github.com/vbatts/tar-split/tar/storage"
)

func TestTarSplitsAreWrittenAsTheLibraryWritesThem(t *testing.T) {
	var entries []splitstorage.Entry
	for _, name := range []string{"a", "a/b/", "./c", "\xff\xfe", "<&>", "日本"} {
		e := splitstorage.Entry{Type: splitstorage.FileType, Size: 5, Payload: []byte("sum")}
		e.SetName(name)
		entries = append(entries, splitstorage.Entry{Type: splitstorage.SegmentType, Payload: []byte{0, 1}}, e)
	}
	var ours, theirs bytes.Buffer
	for _, p := range []splitstorage.Packer{newPacker(&ours), splitstorage.NewJSONPacker(&theirs)} {
		for i, e := range entries {
			if at, err := p.AddEntry(e); err != nil || at != i {
				t.Fatalf("%d, %v", at, err)
			}
		}
		again := splitstorage.Entry{Type: splitstorage.FileType}
		again.SetName("./a/b")
		if _, err := p.AddEntry(again); !errors.Is(err, splitstorage.ErrDuplicatePath) {
			t.Errorf("a name twice: %v", err)
		}
	}
	if !reflect.DeepEqual(ours.String(), theirs.String()) {
		t.Errorf("got %s, want %s", ours.String(), theirs.String())
	}
}

// A layer of one megabyte has 200 MB of names: reading it must not keep them.
func TestNamesOfEntriesAreNotKept(t *testing.T) {
	const count, length = 50_000, 4000
	out, in := io.Pipe()
	go func() {
		w := tar.NewWriter(in)
		long := strings.Repeat(strings.Repeat("n", 249)+"/", length/250)
		for i := range count {
			if w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%s%d", long, i), Typeflag: tar.TypeReg, Mode: 0o644}) != nil {
				return
			}
		}
		_ = in.CloseWithError(w.Close())
	}()
	s := &Store{}
	c, err := s.newContent(out, filepath.Join(t.TempDir(), "split"))
	if err != nil {
		t.Fatal(err)
	}
	before := heap()
	if err := c.scan(nil); err != nil {
		t.Fatal(err)
	}
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("%d MiB are kept of %d entries", grown>>20, c.entries)
	}
	if c.entries != count {
		t.Errorf("it has %d entries", c.entries)
	}
	if err := c.close(s); err != nil {
		t.Fatal(err)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestEntriesWithoutEndAreRefused(t *testing.T) {
	p := newPacker(io.Discard)
	p.held = maxHeld - 2*entryHeld
	var err error
	for i := 0; err == nil && i < 10; i++ {
		e := splitstorage.Entry{Type: splitstorage.FileType}
		e.SetName(fmt.Sprintf("file%d", i))
		_, err = p.AddEntry(e)
	}
	if err == nil || !strings.Contains(err.Error(), `the entry "file2": it is one too many`) {
		t.Errorf("want a refusal that names the entry, got %v", err)
	}
}
