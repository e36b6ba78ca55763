package format

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode"
	"unicode/utf8"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// self is the key of a record under which the row's own object is: no template can name it.
const self = ""

// labelsColumn is the column whose value, a [Labels], {{.Label "key"}} reads.
const labelsColumn = "Labels"

// record is the dot of a row: the columns that the template uses, by name.
type record map[string]any

// Label serves {{.Label "key"}}.
func (r record) Label(key string) string {
	labels, _ := r[labelsColumn].(Labels)
	return labels[key]
}

// String serves {{.}}: the row's own object, as {{json .}} has it. Peers print Go's own notation of whatever they keep.
func (r record) String() string {
	text, err := toJSON(r)
	if err != nil {
		return err.Error()
	}
	return text
}

// printTemplate executes text for each row, a line each; heading adds a line with the columns' headers.
func (t *Table[T]) printTemplate(w io.Writer, text string, rows []T, o Options, heading bool) error {
	tmpl, err := compile(text, o.seen)
	if err != nil {
		return err
	}
	used, err := t.used(tmpl.Root)
	if err != nil {
		return err
	}
	if heading {
		if err := t.printHeading(w, tmpl.Root); err != nil {
			return err
		}
	}
	for _, r := range rows {
		dot := record{self: t.object(r)}
		for _, c := range used {
			dot[c.Name] = c.value(r, o.NoTrunc)
		}
		if err := execute(w, tmpl, dot); err != nil {
			return err
		}
	}
	return nil
}

// printHeading writes the template's text with, for each action, the headers of the columns in it. It
// does not execute the template: functions such as index would fail on a header.
func (t *Table[T]) printHeading(w io.Writer, root *parse.ListNode) error {
	var line strings.Builder
	for _, n := range root.Nodes {
		if text, ok := n.(*parse.TextNode); ok {
			line.Write(text.Text)
			continue
		}
		columns, err := t.used(n)
		if err != nil {
			return err
		}
		headers := make([]string, len(columns))
		for i, c := range columns {
			headers[i] = c.header()
		}
		line.WriteString(strings.Join(headers, " "))
	}
	_, err := fmt.Fprintln(w, line.String())
	return err
}

// used are the columns that a part of a template names, in that order. Names that differ only in case
// are put right.
func (t *Table[T]) used(part parse.Node) ([]*Column[T], error) {
	var used []*Column[T]
	err := eachField(part, func(path []string) error {
		name := path[0]
		if name == "Label" {
			name = labelsColumn
		}
		i := slices.IndexFunc(t.Columns, func(c Column[T]) bool { return c.Name == name })
		if i < 0 {
			i = slices.IndexFunc(t.Columns, func(c Column[T]) bool { return strings.EqualFold(c.Name, name) })
		}
		if i < 0 {
			return errUnknownField(path[0], t.names())
		}
		if path[0] != "Label" {
			path[0] = t.Columns[i].Name
		}
		used = append(used, &t.Columns[i])
		return nil
	})
	return used, err
}

func (t *Table[T]) names() []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = "." + c.Name
	}
	return names
}

// compile reads a template. Of one whose output is seen on a terminal the values are shown without control characters.
func compile(text string, seen bool) (*template.Template, error) {
	tmpl, err := template.New("--format").Option("missingkey=zero").Funcs(functions()).Parse(unescape(text))
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot parse the template: %s", strings.TrimPrefix(err.Error(), "template: "))
	}
	if seen {
		through(tmpl, harmless)
	}
	return tmpl, nil
}

func execute(w io.Writer, tmpl *template.Template, dot any) error {
	err := tmpl.Execute(w, dot)
	if exec := (template.ExecError{}); errors.As(err, &exec) {
		if before, _, ok := strings.Cut(err.Error(), ">: nil pointer evaluating "); ok {
			field := before[strings.LastIndex(before, "<")+1:]
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s in --format: there is nothing that has it here; {{if}} asks whether there is", field)
		}
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot apply the template: %s", strings.TrimPrefix(err.Error(), "template: "))
	}
	if err == nil {
		_, err = io.WriteString(w, "\n")
	}
	return err
}

// unescape turns \t and \n into what they mean, as docker and podman do, since a shell does not.
// Inside {{ }} they are left to the strings they stand in.
func unescape(text string) string {
	escapes := strings.NewReplacer(`\t`, "\t", `\n`, "\n")
	var b strings.Builder
	for text != "" {
		plain, rest, found := strings.Cut(text, "{{")
		b.WriteString(escapes.Replace(plain))
		if !found {
			break
		}
		action, after, _ := strings.Cut(rest, "}}")
		b.WriteString("{{" + action)
		if len(action) < len(rest) {
			b.WriteString("}}")
		}
		text = after
	}
	return b.String()
}

// toJSON serves {{json .Field}}, and {{json .}} with the row's own object.
func toJSON(v any) (string, error) {
	if r, ok := v.(record); ok {
		v = r[self]
	}
	return compactJSON(v)
}

// functions are those that docker and podman document, beyond the ones of text/template.
func functions() template.FuncMap {
	return template.FuncMap{
		"json":   toJSON,
		harmless: withoutControls,
		dated:    withDate,
		"join":   strings.Join,
		"split":  strings.Split,
		"lower":  strings.ToLower,
		"upper":  strings.ToUpper,
		"title": func(s string) string {
			first, size := utf8.DecodeRuneInString(s)
			if size == 0 {
				return s
			}
			return string(unicode.ToTitle(first)) + s[size:]
		},
		"pad": func(s string, before, after int) string {
			if s == "" {
				return s
			}
			return strings.Repeat(" ", before) + s + strings.Repeat(" ", after)
		},
		"truncate": func(s string, n int) string {
			r := []rune(s)
			return string(r[:max(min(n, len(r)), 0)])
		},
	}
}
