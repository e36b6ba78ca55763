// Package codec is for the tests of code that `make generate` makes.
package codec

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Same fails the test unless the generated methods of value's type write and read what package json does with plain, a type of the same fields
// without methods: for value itself, and for one in which everything is set. A field that was added since the code was
// generated is found so. Both are pointers.
func Same(t *testing.T, value, plain any) {
	t.Helper()
	kind, plainKind := reflect.TypeOf(value).Elem(), reflect.TypeOf(plain).Elem()
	full := reflect.New(kind)
	fill(t, full.Elem(), new(int))
	for _, v := range []reflect.Value{reflect.ValueOf(value), full} {
		mine := marshal(t, v.Interface())
		theirs := marshal(t, v.Elem().Convert(plainKind).Interface())
		if diff := cmp.Diff(tree(t, theirs), tree(t, mine)); diff != "" {
			t.Errorf("what is generated for %s writes something else (make generate): -package json, +generated\n%s", kind, diff)
		}
		read, plainRead := reflect.New(kind), reflect.New(plainKind)
		unmarshal(t, theirs, read.Interface())
		unmarshal(t, theirs, plainRead.Interface())
		again := marshal(t, read.Elem().Convert(plainKind).Interface())
		if diff := cmp.Diff(tree(t, marshal(t, plainRead.Interface())), tree(t, again)); diff != "" {
			t.Errorf("what is generated for %s reads something else (make generate): -package json, +generated\n%s", kind, diff)
		}
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func unmarshal(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func tree(t *testing.T, data []byte) (v any) {
	t.Helper()
	unmarshal(t, data, &v)
	return v
}

// texts are for types that are written as text of a certain form; each type takes the first that it can read.
var texts = []string{"10.1.2.3", "10.1.2.0/24"}

// fill sets all that can be set, each thing to something else.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch to := v.Addr().Interface().(type) {
	case *time.Time:
		*to = time.Unix(int64(*n), 0).UTC()
		return
	case *json.RawMessage:
		*to = fmt.Appendf(nil, `{"raw":%d}`, *n)
		return
	case encoding.TextUnmarshaler:
		for _, text := range texts {
			if to.UnmarshalText([]byte(text)) == nil {
				return
			}
		}
		t.Fatalf("no text for %s", v.Type())
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n % 100))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n % 100))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(*n) / 2)
	case reflect.String:
		v.SetString(fmt.Sprintf("<text> %d", *n))
	case reflect.Interface:
		v.Set(reflect.ValueOf("anything"))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, n)
		fill(t, value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("json") != "-" {
				fill(t, v.Field(i), n)
			}
		}
	default:
		t.Fatalf("no value for %s", v.Type())
	}
}
