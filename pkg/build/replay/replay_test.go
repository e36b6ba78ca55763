package replay

import (
	"reflect"
	"testing"

	"github.com/mosscontainers/moss/pkg/build/seen"
)

func TestRecordsAreReadAsTheyWereWritten(t *testing.T) {
	r := record{Answer{ID: "id", IDFile: "file", Shown: []byte("#1 shown\n")}, seen.Inputs{
		Files:  []seen.File{{Path: "/a/.", Stamp: seen.Stamp{Dev: 1, Ino: 2, Size: 3, Mtime: 1 << 63, Ctime: 5}}, {Path: "/a/b"}},
		Images: []seen.Image{{Name: "name", ID: "id", Digest: "digest"}, {Name: "none"}},
		Steps:  []seen.Step{{File: "steps/aa/aa.json", Sum: [32]byte{1}}},
		Layers: []string{"layer"},
	}}
	var again record
	if !again.decode(r.encode()) || !reflect.DeepEqual(r, again) {
		t.Errorf("got %+v, want %+v", again, r)
	}
}

func FuzzDamagedRecordsAreNone(f *testing.F) {
	good := (&record{Answer: Answer{ID: "id"}, Inputs: seen.Inputs{Files: []seen.File{{Path: "/a"}}}}).encode()
	f.Add([]byte{})
	f.Add([]byte(magic))
	f.Add(good[:len(good)-1])
	f.Add(append(good[:len(good):len(good)], 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r record
		if r.decode(data) && !reflect.DeepEqual(r.encode(), data) {
			t.Errorf("%q was believed", data)
		}
	})
}
