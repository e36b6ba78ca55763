package format

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"time"
)

// Inspect writes what an inspect command found: a JSON array where format is "" or "json", else a line of
// the template for each object. In a template a field goes by its Go name, or by its name in JSON.
func Inspect(w io.Writer, objects []any, format string) error {
	seen := seen(w)
	return buffered(w, func(w io.Writer) error {
		if f := strings.TrimSpace(format); f == "" || f == "json" {
			if objects == nil {
				objects = []any{}
			}
			return writeJSON(w, objects)
		}
		for _, o := range objects {
			if err := inspectOne(w, o, format, seen); err != nil {
				return err
			}
		}
		return nil
	})
}

// One writes a single object, as info and version do: JSON without an array around it where format is "json", else
// a line of the template.
func One(w io.Writer, object any, format string) error {
	seen := seen(w)
	return buffered(w, func(w io.Writer) error {
		if strings.TrimSpace(format) == "json" {
			return writeJSON(w, object)
		}
		return inspectOne(w, object, format, seen)
	})
}

// dated is the function that times go through, which a template can still .Format.
const dated = "_dated"

// withDate is a time as JSON and Docker have it, which date -d reads, instead of in Go's notation.
func withDate(v any) any {
	switch t := v.(type) {
	case time.Time:
		return t.Format(time.RFC3339Nano)
	case *time.Time: // of an image, which may not say it
		if t != nil {
			return t.Format(time.RFC3339Nano)
		}
	}
	return v
}

// inspectOne compiles the template anew: each object may be of another type.
func inspectOne(w io.Writer, object any, format string, seen bool) error {
	tmpl, err := compile(format, seen)
	if err != nil {
		return err
	}
	through(tmpl, dated)
	err = eachField(tmpl.Root, func(path []string) error { return resolve(reflect.TypeOf(object), path) })
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := execute(&out, tmpl, object); err != nil {
		out.Reset()
		if executePlain(&out, object, format, seen) != nil {
			return err
		}
	}
	_, err = out.WriteTo(w)
	return err
}

// executePlain executes a template on what the object is in JSON, as Docker does where the types do not fit: what a range or an index
// leads to is known to the template alone, and its fields, too, may go by their names in JSON.
func executePlain(w io.Writer, object any, format string, seen bool) error {
	raw, err := json.Marshal(object)
	if err != nil {
		return err
	}
	var plain any
	numbers := json.NewDecoder(bytes.NewReader(raw))
	numbers.UseNumber() // sizes in bytes are not to be rounded
	if err := numbers.Decode(&plain); err != nil {
		return err
	}
	tmpl, err := compile(format, seen)
	if err != nil {
		return err
	}
	return execute(w, tmpl.Option("missingkey=error"), plain)
}

// resolve follows path from a type through its structs, and puts Go's names where path has JSON's.
func resolve(t reflect.Type, path []string) error {
	for i, name := range path {
		if _, ok := t.MethodByName(name); ok {
			return nil
		}
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return nil // the template will tell
		}
		f, ok := fieldByAnyName(t, name)
		if !ok {
			return errUnknownField(strings.Join(path[:i+1], "."), fieldNames(t, path[:i]))
		}
		path[i], t = f.Name, f.Type
	}
	return nil
}

func fieldByAnyName(t reflect.Type, name string) (reflect.StructField, bool) {
	if f, ok := t.FieldByName(name); ok && f.IsExported() {
		return f, true
	}
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() && !f.Anonymous && jsonName(f) == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func fieldNames(t reflect.Type, prefix []string) []string {
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() && !f.Anonymous {
			names = append(names, "."+strings.Join(append(prefix[:len(prefix):len(prefix)], f.Name), "."))
		}
	}
	return names
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
