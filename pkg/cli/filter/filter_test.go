package filter_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mosscontainers/moss/pkg/cli/filter"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

type box struct {
	id, name, status string
	labels           map[string]string
	networks         []string
	exited           int
	ran, dangling    bool
	created          time.Time
}

func epoch(seconds int64) time.Time { return time.Unix(seconds, 0) }

func boxes() []box {
	return []box{
		{id: "aa1", name: "web", status: "running", labels: map[string]string{"tier": "front", "x": ""}, networks: []string{"n1", "n2"}, created: epoch(100)},
		{id: "ab2", name: "webdb", status: "exited", labels: map[string]string{"tier": "back"}, exited: 3, ran: true, created: epoch(200)},
		{id: "cc3", name: "idle", status: "created", dangling: true, created: epoch(300)},
	}
}

func set() filter.Set[box] {
	lookup := func(ref string) (time.Time, error) {
		for _, b := range boxes() {
			if b.name == ref {
				return b.created, nil
			}
		}
		return time.Time{}, errdefs.Errorf(errdefs.ErrNotFound, "no box %q", ref)
	}
	created := func(b box) time.Time { return b.created }
	return append(filter.Set[box]{
		{Name: "id", Match: filter.Prefix(func(b box) string { return b.id })},
		{Name: "name", Match: filter.Regexp(func(b box) []string { return []string{b.name} })},
		{Name: "status", Match: filter.OneOf(func(b box) string { return b.status }, "created", "running", "exited")},
		{Name: "network", Match: filter.Any(func(b box) []string { return b.networks })},
		{Name: "exited", Match: filter.Number(func(b box) (int, bool) { return b.exited, b.ran })},
		{Name: "dangling", Match: filter.Bool(func(b box) bool { return b.dangling })},
		{Name: "before", Match: filter.Before(lookup, created)},
		{Name: "since", Match: filter.Since(lookup, created)},
		filter.Until(created),
	}, filter.Labels(func(b box) map[string]string { return b.labels })...)
}

func TestCompile(t *testing.T) {
	tests := []struct{ args, want string }{
		{"", "web webdb idle"},
		{"id=a", "web webdb"},
		{"id=ab", "webdb"},
		{"name=web", "web webdb"},
		{"name=^web$", "web"},
		{"name=^/web$", "web"},
		{"status=running status=exited", "web webdb"},
		{"status=running status=exited name=db", "webdb"},
		{"label=tier", "web webdb"},
		{"label=tier=front", "web"},
		{"label=tier label=x", "web"},
		{"label=tier=front label=tier=back", ""},
		{"label=x=", "web"},
		{"label!=tier", "idle"},
		{"label!=tier=front", "webdb idle"},
		{"label!=tier=front label!=tier=back", "idle"},
		{"network=n2", "web"},
		{"exited=3", "webdb"},
		{"exited=0", ""},
		{"dangling=true", "idle"},
		{"dangling=0", "web webdb"},
		{"before=webdb", "web"},
		{"since=webdb", "idle"},
		{"until=250", "web webdb"},
		{"until=250 until=150", "web"},
		{"until=1h", "web webdb idle"},
	}
	for _, tt := range tests {
		matches, err := set().Compile(strings.Fields(tt.args))
		if err != nil {
			t.Errorf("%s: %v", tt.args, err)
			continue
		}
		var got []string
		for _, b := range boxes() {
			if matches(b) {
				got = append(got, b.name)
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %q, want %q", tt.args, s, tt.want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	tests := []struct{ arg, want string }{
		{"status", `cannot filter by "status": write it as KEY=VALUE`},
		{"colour=red", `cannot filter by "colour": the filters are id, name, status, network, exited, dangling, before, since, until, label, label!`},
		{"status=happy", "cannot filter by status=happy: it is one of created, running, exited"},
		{"exited=x", "cannot filter by exited=x: it is a number"},
		{"dangling=x", "cannot filter by dangling=x: it is true or false"},
		{"name=(", "cannot filter by name=(: error parsing regexp: missing closing ): `(`"},
		{"before=nobody", `cannot filter by before=nobody: no box "nobody"`},
		{"until=-1h", `cannot filter by until=-1h: that is in the future: write 1h for what is older than an hour`},
		{"until=soon", `cannot filter by until=soon: cannot read "soon" as a time: use a duration such as 10m, seconds since 1970, or a date such as 2026-01-31T15:04:05Z`},
	}
	for _, tt := range tests {
		_, err := set().Compile([]string{tt.arg})
		if !errors.Is(err, errdefs.ErrInvalid) || err.Error() != tt.want {
			t.Errorf("%s:\n got %v\nwant %s", tt.arg, err, tt.want)
		}
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		value string
		want  time.Time
	}{
		{"10m", now.Add(-10 * time.Minute)},
		{"1h30m", now.Add(-90 * time.Minute)},
		{"0", time.Unix(0, 0)},
		{"1136073845", time.Unix(1136073845, 0)},
		{"1136073845.000000001", time.Unix(1136073845, 1)},
		{"1136073845.5", time.Unix(1136073845, 500000000)},
		{"2026-01-31T15:04:05Z", time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC)},
		{"2026-01-31T15:04:05.25+01:00", time.Date(2026, 1, 31, 14, 4, 5, 250000000, time.UTC)},
		{"2026-01-31T15:04", time.Date(2026, 1, 31, 15, 4, 0, 0, time.Local)},
		{"2026-01-31", time.Date(2026, 1, 31, 0, 0, 0, 0, time.Local)},
	}
	for _, tt := range tests {
		if got, err := filter.ParseTime(tt.value, now); err != nil || !got.Equal(tt.want) {
			t.Errorf("%s: %v, %v, want %v", tt.value, got, err, tt.want)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"", "10m", "1.5", "-", "1.-5", "2026-01-31", strconv.Itoa(1 << 62)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := filter.ParseTime(s, time.Unix(0, 0)); err != nil && !errors.Is(err, errdefs.ErrInvalid) {
			t.Error(err)
		}
	})
}
