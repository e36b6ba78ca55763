package libpod

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTheLastEventsOfALog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if got := lastEvents(path, 3); got != nil {
		t.Errorf("of none: %q", got)
	}
	for text, want := range map[string][]string{
		"":                                  {},
		"a\n":                               {"a"},
		"a\nb":                              {"a", "b"},
		"a\nb\nc\nd\n":                      {"b", "c", "d"},
		strings.Repeat("x", 5000) + "\ny\n": {"y"},
		strings.Repeat("x", 5000):           {},
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := lastEvents(path, 3); !slices.Equal(got, want) {
			t.Errorf("of %.20q: %q", text, got)
		}
	}
}
