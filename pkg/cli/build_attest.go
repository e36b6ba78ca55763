//go:build !moss_front

package cli

import (
	"cmp"
	"encoding/csv"
	"os"
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
	listFile         string // --sbom-output
	urlFile          string // --sbom-purl-output
}

func (o *attestOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.provenance, "provenance", "", "attest how the image was made: true, false or mode=min|max")
	fs.StringVar(&o.sbom, "sbom", "", "attest what is in the image: true or false")
	fs.StringVar(&o.listFile, "sbom-output", "", "write what is in the image to this `file`, as SPDX")
	fs.StringVar(&o.urlFile, "sbom-purl-output", "", "write the package URLs of what is in the image to this `file`")
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
	return o.parseList(to)
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

// parseList reads what is about lists of what is in images. The only one that makes them is built in.
func (o *attestOptions) parseList(to *build.Options) error {
	if o.sbom != "" {
		wanted, err := strconv.ParseBool(o.sbom)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use --sbom %s: it names a scanner that would be fetched and run, which moss never does; write --sbom=true for the built-in one, or write the result to a directory with --output and run a scanner on that", o.sbom)
		}
		to.AttestList = wanted
	}
	to.Contents = to.AttestList || o.listFile != "" || o.urlFile != ""
	return nil
}

// writeLists writes what is in the image to where the flags say.
func (o *attestOptions) writeLists(app *App, b *build.Builder, res *build.Result) error {
	if len(res.Images) > 1 && (o.listFile != "" || o.urlFile != "") {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot write what is in %d images to one file: build one platform at a time, or attest it with --sbom=true", len(res.Images))
	}
	for i := range res.Images {
		one := &res.Images[i]
		if one.Contents == nil {
			return nil
		}
		app.Warn(one.Contents.Warnings...)
		if err := writeList(o.listFile, func() ([]byte, error) { return b.Document(one) }); err != nil {
			return err
		}
		if err := writeList(o.urlFile, one.Contents.URLs); err != nil {
			return err
		}
	}
	return nil
}

func writeList(path string, text func() ([]byte, error)) error {
	if path == "" {
		return nil
	}
	data, err := text()
	if err == nil {
		err = os.WriteFile(path, append(data, '\n'), 0o644)
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot write what is in the image: %w", err)
	}
	return nil
}
