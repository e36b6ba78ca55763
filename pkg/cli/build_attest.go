//go:build !moss_front

package cli

import (
	"cmp"
	"encoding/csv"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// attestOptions are the flags of build about what is attested of images.
type attestOptions struct {
	attests          []string
	provenance, sbom string
}

func (o *attestOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.provenance, "provenance", "", "attest how the image was made: true, false or mode=min|max")
	fs.StringVar(&o.sbom, "sbom", "", "attest what is in the image: not there yet but for false")
	fs.StringArrayVar(&o.attests, "attest", nil, "attest something: `type=provenance|sbom[,KEY=VALUE]`")
}

// parse reads the flags.
func (o *attestOptions) parse(to *build.Options) error {
	for _, text := range o.attests {
		kind, rest, _ := strings.Cut(text, ",")
		switch kind {
		case "type=provenance":
			o.provenance = cmp.Or(o.provenance, rest, "true")
		case "type=sbom":
			o.sbom = cmp.Or(o.sbom, rest, "true")
		default:
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --attest %q: write type=provenance or type=sbom first", text)
		}
	}
	if err := o.parseProvenance(&to.Provenance); err != nil {
		return err
	}
	return o.refuseScanner()
}

func (o *attestOptions) parseProvenance(to *build.Provenance) error {
	if o.provenance == "" {
		return nil
	}
	if wanted, err := strconv.ParseBool(o.provenance); err == nil {
		to.Wanted = wanted
		return nil
	}
	to.Wanted = true
	fields, err := csv.NewReader(strings.NewReader(o.provenance)).Read()
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --provenance %q: %w", o.provenance, err)
	}
	for _, field := range fields {
		switch name, value, _ := strings.Cut(field, "="); {
		case field == "max", field == "mode=max":
			to.Max = true
		case field == "min", field == "mode=min", name == "reproducible", field == "version=v1":
		case name == "disabled":
			to.Wanted = value == "false"
		case name == "builder-id":
			to.BuilderID = value
		default:
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --provenance %q: it is true, false, mode=min, mode=max, builder-id=URI", o.provenance)
		}
	}
	return nil
}

// refuseScanner says what to do instead of --sbom.
func (o *attestOptions) refuseScanner() error {
	if wanted, err := strconv.ParseBool(o.sbom); o.sbom == "" || err == nil && !wanted {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use --sbom %s: scanners of docker's kind are not run yet; write the result to a directory with --output type=local,dest=DIRECTORY and run a scanner on that", o.sbom)
}
