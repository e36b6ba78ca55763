package seen

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// What was seen is relied upon only where a later change could not look the same.
func TestWhatMayJustBeChangingIsNotRemembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stamp, err := StampAt(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := time.Unix(0, int64(stamp.Ctime))
	for began, want := range map[time.Time]bool{
		changed: false, changed.Add(settling - 1): false, changed.Add(settling): true, changed.Add(-time.Hour): false,
	} {
		notes := &Notes{files: map[string]Stamp{path: stamp}}
		if _, got := notes.Inputs(began); got != want {
			t.Errorf("began %v after: %v", began.Sub(changed), got)
		}
	}
}

func TestDoubtsAreNotRemembered(t *testing.T) {
	for name, doubt := range map[string]func(*Notes){
		"said so":                   func(s *Notes) { s.Doubt() },
		"missing, by its digest":    func(s *Notes) { s.Image("name@sha256:00", "") },
		"changed while it was read": func(s *Notes) { s.File("a", &syscall.Stat_t{Size: 1}); s.File("a", &syscall.Stat_t{Size: 2}) },
		"more files than are compared": func(s *Notes) {
			for i := range maxFiles + 1 {
				s.File(strconv.Itoa(i), &syscall.Stat_t{})
			}
		},
	} {
		notes := &Notes{}
		if _, ok := notes.Inputs(time.Now()); !ok {
			t.Fatal("nothing is in doubt")
		}
		doubt(notes)
		if _, ok := notes.Inputs(time.Now()); ok {
			t.Errorf("remembered: %s", name)
		}
	}
}
