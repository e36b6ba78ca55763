package term

import (
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// Table aligns cells in columns at least twelve wide and two blanks apart, as podman's lists are.
type Table struct{ w *tabwriter.Writer }

// NewTable makes a table that is written to w by Flush.
func NewTable(w io.Writer) *Table {
	return &Table{tabwriter.NewWriter(w, 12, 2, 2, ' ', 0)}
}

// Row adds a line. Characters that would move the cursor become blanks: a cell may come from an image.
func (t *Table) Row(cells ...string) {
	for i, c := range cells {
		if i > 0 {
			_, _ = io.WriteString(t.w, "\t") // a tabwriter keeps errors for Flush
		}
		_, _ = io.WriteString(t.w, Printable(c))
	}
	_, _ = io.WriteString(t.w, "\n")
}

// Write adds text whose cells are ended by tabs and whose lines by newlines.
func (t *Table) Write(p []byte) (int, error) { return t.w.Write(p) }

// Flush writes the table.
func (t *Table) Flush() error { return t.w.Flush() }

// Printable replaces control characters, such as those that start an escape sequence, by blanks.
func Printable(s string) string { return printable(s, "") }

// PrintableLines is Printable for text of several lines.
func PrintableLines(s string) string { return printable(s, "\n\t") }

func printable(s, but string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !strings.ContainsRune(but, r) {
			return ' '
		}
		return r
	}, s)
}
