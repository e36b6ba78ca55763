package spec

import (
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// flagValue is a flag each use of which is handed to a function. Its errors are whole sentences: the
// command line shows them without pflag's prefix.
type flagValue struct {
	set  func(string) error
	kind string // shown in the help: list, bytes, …
}

func (v *flagValue) Set(s string) error { return v.set(s) }
func (v *flagValue) String() string     { return "" }
func (v *flagValue) Type() string       { return v.kind }

// addFlag declares a flag that hands its values to set. shown is the default in the help.
func addFlag(fs *pflag.FlagSet, name, short, kind, shown, help string, set func(string) error) {
	flag := fs.VarPF(&flagValue{set, kind}, name, short, help)
	flag.DefValue = shown
}

// addList declares a flag that may be given several times.
func addList[T any](fs *pflag.FlagSet, to *[]T, name, short, help string, parse func(string) (T, error)) {
	addFlag(fs, name, short, "list", "", help, appending(to, parse))
}

// addCommaList declares one that also takes several values at once, as Podman has it: none of them can have a comma.
func addCommaList[T any](fs *pflag.FlagSet, to *[]T, name, help string, parse func(string) (T, error)) {
	addFlag(fs, name, "", "list", "", help, eachOf(appending(to, parse)))
}

func appending[T any](to *[]T, parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		one, err := parse(s)
		if err != nil {
			return err
		}
		*to = append(*to, one)
		return nil
	}
}

// eachOf hands set what is between commas.
func eachOf(set func(string) error) func(string) error {
	return func(list string) error {
		for one := range strings.SplitSeq(list, ",") {
			if err := set(one); err != nil {
				return err
			}
		}
		return nil
	}
}

// addBytes declares a flag for a number of bytes: 512m, 2g, 1024.
func addBytes(fs *pflag.FlagSet, to *int64, name, short, shown, help string) {
	addFlag(fs, name, short, "bytes", shown, help, func(s string) error {
		n, err := units.RAMInBytes(s)
		if err != nil || n < 0 {
			return invalid(name, s, "want a size such as 512m or 2g")
		}
		*to = n
		return nil
	})
}

// invalid is the sentence for a value that a flag does not take.
func invalid(flag, value, format string, args ...any) error {
	args = append([]any{flag, strconv.Quote(value)}, args...)
	return errdefs.Errorf(errdefs.ErrInvalid, "invalid --%s %s: "+format, args...)
}

// verbatim takes a flag's value as it is.
func verbatim(s string) (string, error) { return s, nil }

// plain is an error to be put into the sentence of invalid.
func plain(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, format, args...)
}
