// Package format prints lists and inspected objects the way --format, -q, --no-trunc and --noheading
// ask for: "json", "table", "table TEMPLATE" or a plain Go template, as docker and podman take them.
//
// A command declares a [Table] once; the names of its columns are the fields of its templates. The
// template machinery is touched only when a template was given: the default table of ps and images is
// on the hot path.
package format

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/spf13/pflag"
)

// Options are the flags that every list command shares.
type Options struct {
	Format    string
	Quiet     bool
	NoTrunc   bool
	NoHeading bool

	seen bool // on a terminal
}

// AddFlags declares --format, -q, --no-trunc and --noheading, which is -n too where that letter is free.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Format, "format", "", `print "json", "table", or rows of a Go template ("table TEMPLATE" with a heading)`)
	fs.BoolVarP(&o.Quiet, "quiet", "q", false, "print only the key of each row")
	fs.BoolVar(&o.NoTrunc, "no-trunc", false, "do not shorten what is printed")
	letter := "n"
	if fs.ShorthandLookup(letter) != nil {
		letter = ""
	}
	fs.BoolVarP(&o.NoHeading, "noheading", letter, false, "leave out the heading of the table")
}

// writeJSON writes v as podman and docker inspect do: indented by four, <, > and & as they are, and a
// newline at the end.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	return e.Encode(v)
}

// compactJSON is v on one line.
func compactJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// buffered gives print a buffer in front of w, and looks at what became of the bytes.
func buffered(w io.Writer, print func(io.Writer) error) error {
	b := bufio.NewWriter(output{w})
	if err := print(b); err != nil {
		return err
	}
	return b.Flush()
}

// output names what failed when a write does.
type output struct{ io.Writer }

func (o output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil {
		err = fmt.Errorf("cannot write the output: %w", err)
	}
	return n, err
}

// errUnknownField names what a template may use instead of field.
func errUnknownField(field string, valid []string) error {
	return errdefs.Errorf(errdefs.ErrInvalid, "cannot use .%s in --format: the fields are %s", field, strings.Join(valid, ", "))
}
