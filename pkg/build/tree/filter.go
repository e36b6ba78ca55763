package tree

import (
	"strings"

	"github.com/moby/patternmatcher"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// filter is what is to be seen of a tree.
type filter struct {
	include, exclude *patternmatcher.PatternMatcher // nil without patterns
}

// matched is what a directory's ancestors and itself match, which a pattern needs to know about what is in it.
type matched struct {
	include, exclude patternmatcher.MatchInfo
}

func newFilter(include, exclude []string) (*filter, error) {
	f := &filter{}
	var err error
	if f.include, err = newMatcher(include); err != nil {
		return nil, err
	}
	f.exclude, err = newMatcher(exclude)
	return f, err
}

func newMatcher(patterns []string) (*patternmatcher.PatternMatcher, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use the patterns %q: %w", patterns, err)
	}
	return m, nil
}

// look says of a path whether it is to be seen, and of a directory that is not whether something below it may be.
func (f *filter) look(path string, above matched) (seen, below bool, here matched, err error) {
	if path == "" {
		return true, true, above, nil
	}
	seen, below = true, true
	if f.include != nil {
		seen, here.include, err = f.include.MatchesUsingParentResults(path, above.include)
		if err != nil {
			return false, false, here, err
		}
		below = seen || leads(f.include, false, path)
	}
	if f.exclude != nil {
		var out bool
		out, here.exclude, err = f.exclude.MatchesUsingParentResults(path, above.exclude)
		if err != nil {
			return false, false, here, err
		}
		seen = seen && !out
		below = below && (!out || leads(f.exclude, true, path))
	}
	return seen, below, here, nil
}

// leads says whether one of the patterns (of the exceptions, with exception) could match something below dir.
func leads(m *patternmatcher.PatternMatcher, exception bool, dir string) bool {
	for _, p := range m.Patterns() {
		if p.Exclusion() == exception && mayMatchBelow(p.String(), dir) {
			return true
		}
	}
	return false
}

// mayMatchBelow compares what comes before the first wildcard of a pattern with a directory: one must begin with the other.
func mayMatchBelow(pattern, dir string) bool {
	literal := pattern
	if i := strings.IndexAny(pattern, `*[]?^\`); i >= 0 {
		literal = pattern[:strings.LastIndexByte(pattern[:i], '/')+1]
	}
	literal, dir = strings.TrimSuffix(literal, "/")+"/", dir+"/"
	return literal == "/" || strings.HasPrefix(literal, dir) || strings.HasPrefix(dir, literal)
}

// refuses says of a path that is not to be seen that it is there and was left out on purpose.
func (f *filter) refuses(path string) bool {
	if f.exclude == nil {
		return false
	}
	out, err := f.exclude.MatchesOrParentMatches(path)
	return err == nil && out
}
