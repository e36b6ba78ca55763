package names

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

func TestWords(t *testing.T) {
	word := regexp.MustCompile(`^[a-z]+$`)
	for _, list := range []struct {
		name, text string
		least      int
	}{{"adjectives", adjectives, 100}, {"nouns", nouns, 150}} {
		words := strings.Fields(list.text)
		if len(words) < list.least {
			t.Errorf("only %d %s", len(words), list.name)
		}
		for _, w := range words {
			if !word.MatchString(w) {
				t.Errorf("%s: %q is not of a…z", list.name, w)
			}
		}
		slices.Sort(words)
		for i := 1; i < len(words); i++ {
			if words[i] == words[i-1] {
				t.Errorf("%s: %q stands there twice", list.name, words[i])
			}
		}
	}
}

func TestRandomNameIsValid(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		name := Random()
		if err := Validate(name); err != nil {
			t.Error(err)
		}
		seen[name] = true
	}
	if len(seen) < 90 {
		t.Errorf("only %d different names of 100", len(seen))
	}
}

func TestValidate(t *testing.T) {
	pattern := regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)
	for _, name := range []string{
		"a", "Web-1", "0", "a.b_c-d", "", ".", "..", "-a", "_a", "a/b", "../a", "a b", "a\n", "ä", "aä", "a\x00", "a\xff", "a:b", "a@b",
		strings.Repeat("x", MaxLength), strings.Repeat("x", MaxLength+1),
	} {
		err := Validate(name)
		if want := pattern.MatchString(name) && len(name) <= MaxLength; want != (err == nil) {
			t.Errorf("%q: %v", name, err)
		}
		if err != nil && !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v is not ErrInvalid", name, err)
		}
	}
}
