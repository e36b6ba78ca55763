package format_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

type box struct {
	ID     string            `json:"Id"`
	Name   string            `json:"Name"`
	Labels map[string]string `json:"Labels,omitempty"`
	Ports  []string          `json:"Ports,omitempty"`
}

func boxes() *format.Table[box] {
	return &format.Table[box]{
		Columns: []format.Column[box]{
			{Name: "ID", Header: "BOX ID", Short: names.Short, Value: func(b box) any { return b.ID }},
			{Name: "Names", Value: func(b box) any { return b.Name }},
			{Name: "Labels", Value: func(b box) any { return format.Labels(b.Labels) }},
			{Name: "Ports", Value: func(b box) any { return b.Ports }},
			{Name: "Size", Value: func(box) any { panic("nobody asked for the size") }},
		},
		Default: []string{"ID", "Names"},
		Quiet:   "ID",
	}
}

func twoBoxes() []box {
	return []box{
		{ID: "0123456789abcdef", Name: "shy_fern", Labels: map[string]string{"b": "2", "a.x": "<1>"}, Ports: []string{"80", "81"}},
		{ID: "fedcba9876543210", Name: "a\x1b[2Jb"},
	}
}

func TestPrint(t *testing.T) {
	tests := []struct {
		name string
		o    format.Options
		want string
	}{
		{"plain table", format.Options{}, "BOX ID        NAMES\n0123456789ab  shy_fern\nfedcba987654  a [2Jb\n"},
		{"table by name", format.Options{Format: "table"}, "BOX ID        NAMES\n0123456789ab  shy_fern\nfedcba987654  a [2Jb\n"},
		{"no heading", format.Options{NoHeading: true}, "0123456789ab  shy_fern\nfedcba987654  a [2Jb\n"},
		{"no truncation", format.Options{NoTrunc: true}, "BOX ID            NAMES\n0123456789abcdef  shy_fern\nfedcba9876543210  a [2Jb\n"},
		{"quiet", format.Options{Quiet: true}, "0123456789ab\nfedcba987654\n"},
		{"quiet, no truncation", format.Options{Quiet: true, NoTrunc: true}, "0123456789abcdef\nfedcba9876543210\n"},
		{"quiet, by name", format.Options{Quiet: true, Format: "table"}, "0123456789ab\nfedcba987654\n"},
		{"quiet, and a template", format.Options{Quiet: true, Format: `{{.Names}}`}, "shy_fern\na\x1b[2Jb\n"},
		{"template", format.Options{Format: `{{.ID}}\t{{len .Names}}`}, "0123456789ab\t8\nfedcba987654\t6\n"},
		{"template with a wrong case", format.Options{Format: `{{.id}}`}, "0123456789ab\nfedcba987654\n"},
		{"template with text only", format.Options{Format: `x\ny`}, "x\ny\nx\ny\n"},
		{"table of a template", format.Options{Format: `table {{.Names}}\t{{.ID}}`}, "NAMES       BOX ID\nshy_fern    0123456789ab\na\x1b[2Jb      fedcba987654\n"},
		{"table of a template, no heading", format.Options{Format: `table {{.ID}}`, NoHeading: true}, "0123456789ab\nfedcba987654\n"},
		{"labels", format.Options{Format: `{{.Labels}} {{.Label "a.x"}} {{.Labels.b}}`}, "a.x=<1>,b=2 <1> 2\n  \n"},
		{"index in a table", format.Options{Format: `table {{index .Labels "b"}}`}, "LABELS\n2\n\n"},
		{"range and the root", format.Options{Format: `{{range .Ports}}{{.}}@{{$.Names}} {{end}}`}, "80@shy_fern 81@shy_fern \n\n"},
		{"json of a column", format.Options{Format: `{{json .Ports}}`}, "[\"80\",\"81\"]\nnull\n"},
		{
			"json of a row",
			format.Options{Format: `{{json .}}`},
			`{"Id":"0123456789abcdef","Name":"shy_fern","Labels":{"a.x":"<1>","b":"2"},"Ports":["80","81"]}` + "\n" +
				`{"Id":"fedcba9876543210","Name":"a\u001b[2Jb"}` + "\n",
		},
		{"a row as it is", format.Options{Format: `{{.Names}}: {{.}}`}, `shy_fern: {"Id":"0123456789abcdef","Name":"shy_fern","Labels":{"a.x":"<1>","b":"2"},"Ports":["80","81"]}` + "\n" +
			"a\x1b[2Jb: " + `{"Id":"fedcba9876543210","Name":"a\u001b[2Jb"}` + "\n"},
		{
			"functions",
			format.Options{Format: `{{upper .Names}}|{{title .Names}}|{{pad .Names 1 2}}|{{truncate .Names 3}}|{{join (split .Names "_") "+"}}`},
			"SHY_FERN|Shy_fern| shy_fern  |shy|shy+fern\nA\x1b[2JB|A\x1b[2Jb| a\x1b[2Jb  |a\x1b[|a\x1b[2Jb\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := boxes().Print(&out, twoBoxes(), tt.o); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPrintJSON(t *testing.T) {
	var out bytes.Buffer
	if err := boxes().Print(&out, twoBoxes()[:1], format.Options{Format: "json"}); err != nil {
		t.Fatal(err)
	}
	want := `[
    {
        "Id": "0123456789abcdef",
        "Name": "shy_fern",
        "Labels": {
            "a.x": "<1>",
            "b": "2"
        },
        "Ports": [
            "80",
            "81"
        ]
    }
]
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	if err := boxes().Print(&out, nil, format.Options{Format: "json"}); err != nil || out.String() != "[]\n" {
		t.Errorf("no rows: %q, %v", out.String(), err)
	}
}

func TestPrintRefuses(t *testing.T) {
	tests := []struct{ name, format, want string }{
		{"an unknown field", "{{.Nope}}", "cannot use .Nope in --format: the fields are .ID, .Names, .Labels, .Ports, .Size"},
		{"an unknown field of the root", "{{range .Ports}}{{$.Nope}}{{end}}", "cannot use .Nope in --format: the fields are .ID, .Names, .Labels, .Ports, .Size"},
		{"an open action", "{{.ID", "cannot parse the template: --format:1: unclosed action"},
		{"an unknown function", "{{nope .ID}}", `cannot parse the template: --format:1: function "nope" not defined`},
		{"a call that fails", "{{index .Ports 9}}", `cannot apply the template: --format:1:2: executing "--format" at <index .Ports 9>: error calling index: index out of range: 9`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := boxes().Print(io.Discard, twoBoxes(), format.Options{Format: tt.format})
			if !errors.Is(err, errdefs.ErrInvalid) || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestPrintSaysWhenItCannotWrite(t *testing.T) {
	many := make([]box, 10000)
	for _, f := range []string{"", "json", "{{.ID}}", "table {{.ID}}"} {
		err := boxes().Print(full{}, many, format.Options{Format: f})
		if err == nil || err.Error() != "cannot write the output: no space left on device" {
			t.Errorf("%q: %v", f, err)
		}
	}
}
