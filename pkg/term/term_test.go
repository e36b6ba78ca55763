package term_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/mosscontainers/moss/pkg/term"
)

func TestTableAlignsAndDefuses(t *testing.T) {
	var out bytes.Buffer
	table := term.NewTable(&out)
	table.Row("ID", "NAME", "LAST")
	table.Row("a\tb\x1b[31m\n", "a name of 24 characters!", "x")
	table.Row("äöü", "b", "")
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "ID          NAME                      LAST\na b [31m    a name of 24 characters!  x\näöü         b                         \n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0 B", 999: "999 B", 1500: "1.5 kB", 77_812_345: "77.8 MB", 2_000_000_000: "2 GB"} {
		if got := term.Size(bytes); got != want {
			t.Errorf("%d: %q, want %q", bytes, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	tests := []struct {
		t    time.Time
		want string
	}{
		{time.Time{}, ""},
		{now.Add(time.Hour), "Less than a second ago"},
		{now.Add(-3 * time.Second), "3 seconds ago"},
		{now.Add(-2 * time.Minute), "2 minutes ago"},
		{now.Add(-65 * time.Minute), "About an hour ago"},
	}
	for _, tt := range tests {
		if got := term.Ago(tt.t, now); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.t, got, tt.want)
		}
	}
}

func TestNoColourAndEightyColumnsWithoutATerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if got := term.StyleOf(w).Red("x"); got != "x" {
		t.Errorf("a pipe got %q", got)
	}
	if got := term.Width(w); got != 80 {
		t.Errorf("a pipe has %d columns", got)
	}
}
