package format

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mosscontainers/moss/pkg/term"
)

// Column is one thing that can be said of a row: a field of templates, and a column of the table.
type Column[T any] struct {
	Name   string // of the template field: "ID" is {{.ID}}
	Header string // of the table: "CONTAINER ID"; "" is Name in upper case
	// Value is called only for the rows and columns that are printed, and may be slow. Anything that fmt
	// prints will do; a template can go into maps, slices and structs.
	Value func(T) any
	// Short shortens a value that is a string, unless --no-trunc: [names.Short] or [Ellipsis].
	Short func(string) string
}

// Table declares what a list command can print.
type Table[T any] struct {
	Columns []Column[T]
	Default []string // names of the columns of the plain table
	Quiet   string   // name of the column that -q prints
	// JSON is the object of --format json and of {{json .}}; nil is the row itself.
	JSON func(T) any
}

// Print writes rows the way o asks for. Errors: [errdefs.ErrInvalid] for a wrong --format, or those of w.
func (t *Table[T]) Print(w io.Writer, rows []T, o Options) error {
	o.seen = seen(w)
	return buffered(w, func(w io.Writer) error { return t.print(w, rows, o) })
}

func (t *Table[T]) print(w io.Writer, rows []T, o Options) error {
	template, isTable := strings.CutPrefix(strings.TrimLeft(o.Format, " "), "table")
	plain := o.Format == "" || isTable && strings.TrimSpace(template) == ""
	switch {
	case o.Quiet && plain: // a template says more than -q, for peers as well
		return t.printQuiet(w, rows, o)
	case strings.TrimSpace(o.Format) == "json":
		return writeJSON(w, t.objects(rows))
	case plain:
		return t.printDefault(w, rows, o)
	case isTable:
		tw := term.NewTable(w)
		if err := t.printTemplate(tw, strings.TrimLeft(template, " "), rows, o, !o.NoHeading); err != nil {
			return err
		}
		return tw.Flush()
	}
	return t.printTemplate(w, o.Format, rows, o, false)
}

func (t *Table[T]) objects(rows []T) []any {
	objects := make([]any, len(rows)) // never nil: an empty list is [], not null
	for i, r := range rows {
		objects[i] = t.object(r)
	}
	return objects
}

func (t *Table[T]) object(row T) any {
	if t.JSON == nil {
		return row
	}
	return t.JSON(row)
}

func (t *Table[T]) printQuiet(w io.Writer, rows []T, o Options) error {
	c := t.column(t.Quiet)
	for _, r := range rows {
		if _, err := fmt.Fprintln(w, c.text(r, o.NoTrunc)); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table[T]) printDefault(w io.Writer, rows []T, o Options) error {
	columns := make([]*Column[T], len(t.Default))
	cells := make([]string, len(t.Default))
	for i, name := range t.Default {
		columns[i] = t.column(name)
		cells[i] = columns[i].header()
	}
	tw := term.NewTable(w)
	if !o.NoHeading {
		tw.Row(cells...)
	}
	for _, r := range rows {
		for i, c := range columns {
			cells[i] = c.text(r, o.NoTrunc)
		}
		tw.Row(cells...)
	}
	return tw.Flush()
}

// column finds a column that the declaration itself names: a wrong name is a mistake of ours.
func (t *Table[T]) column(name string) *Column[T] {
	i := slices.IndexFunc(t.Columns, func(c Column[T]) bool { return c.Name == name })
	return &t.Columns[i]
}

func (c *Column[T]) header() string {
	if c.Header == "" {
		return strings.ToUpper(c.Name)
	}
	return c.Header
}

// value is what a template sees.
func (c *Column[T]) value(row T, noTrunc bool) any {
	v := c.Value(row)
	if s, ok := v.(string); ok && c.Short != nil && !noTrunc {
		return c.Short(s)
	}
	return v
}

func (c *Column[T]) text(row T, noTrunc bool) string {
	v := c.value(row, noTrunc)
	if s, ok := v.(string); ok {
		return s
	}
	return fmt.Sprint(v)
}
