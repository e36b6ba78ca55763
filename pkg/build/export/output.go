// Package export brings the results of builds to where they are wanted: directories, archives, registries. What it writes of files is written
// below a directory, whatever links are there; what it writes of images is sent by storage/image.
package export

import (
	"encoding/csv"
	"slices"
	"strconv"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/image"
)

// The types of --output, which are docker buildx's.
const (
	Local    = "local"     // the files, into a directory
	Tar      = "tar"       // the files, as an archive
	OCI      = "oci"       // the image, as an archive or a layout
	Docker   = "docker"    // the image, as an archive of docker save; without a destination, into the store
	Image    = "image"     // the image, into the store, or pushed
	Registry = "registry"  // the image, pushed
	None     = "cacheonly" // nothing: the steps are remembered
)

// Stdout is the destination that means the standard output.
const Stdout = "-"

// Output is one destination of a build.
type Output struct {
	Type             string
	Dest             string
	Names            []string // instead of the build's; full ones
	Push             bool
	Store            bool
	Directory        bool   // an OCI layout instead of an archive
	Split            bool   // a directory for each of several platforms
	Compression      string // gzip, zstd, zstd:chunked, uncompressed; "" is the destination's usual one
	CompressionLevel *int
	ForceCompression bool
	Insecure         bool // a registry without TLS
	ByDigest         bool // pushed without a tag
	Docker           bool // Docker's media types
	Annotations      []Annotation
}

// Parse reads what --output says: fields as buildx has them, a directory, or - for an archive of the files on the standard output.
func Parse(text string) (Output, error) {
	if text == Stdout {
		return Output{Type: Tar, Dest: Stdout, Split: true}, nil
	}
	if text == "" {
		return Output{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --output %q: say where to", text)
	}
	if !strings.Contains(text, "=") {
		return Output{Type: Local, Dest: text, Split: true}, nil
	}
	record, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return Output{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --output %q: %w", text, err)
	}
	o := Output{Split: true, Store: true}
	for _, field := range record {
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			return o, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --output %q: %q is not KEY=VALUE", text, field)
		}
		if err := o.set(strings.ToLower(strings.TrimSpace(name)), value); err != nil {
			return o, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --output %q: %w", text, err)
		}
	}
	return o, o.check(text)
}

// set reads one field.
func (o *Output) set(name, value string) (err error) {
	switch name {
	case "type":
		o.Type = value
	case "dest":
		o.Dest = value
	case "name":
		for _, name := range strings.Split(value, ",") {
			named, err := image.ParseName(name)
			if err != nil {
				return err
			}
			o.Names = append(o.Names, named.String())
		}
	case "compression":
		o.Compression = value
	case "compression-level":
		level, err := strconv.Atoi(value)
		o.CompressionLevel = &level
		return err
	case "tar":
		err = yes(value, &o.Directory)
		o.Directory = !o.Directory
	case "oci-mediatypes":
		err = yes(value, &o.Docker)
		o.Docker = !o.Docker
	default:
		return o.setMore(name, value)
	}
	return err
}

// setMore reads the fields that say yes or no, and annotations.
func (o *Output) setMore(name, value string) error {
	var same bool // what is asked for is so anyway
	flags := map[string]*bool{
		"push": &o.Push, "store": &o.Store, "platform-split": &o.Split, "force-compression": &o.ForceCompression, "registry.insecure": &o.Insecure,
		"push-by-digest": &o.ByDigest, "unpack": &same, "rewrite-timestamp": &same, "name-canonical": &same,
	}
	if flag, ok := flags[name]; ok {
		return yes(value, flag)
	}
	return o.annotate(name, value)
}

func yes(value string, to *bool) (err error) {
	*to, err = strconv.ParseBool(value)
	return err
}

func (o *Output) check(text string) error {
	switch o.Type {
	case Local, Tar, OCI, Docker, Image:
	case None:
		o.Dest, o.Push = "", false
	case Registry:
		o.Type, o.Push, o.Store = Image, true, false
	case "":
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --output %q: say type=local, tar, oci, docker, image, registry or cacheonly", text)
	default:
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --output %q: there is no type %s; it is local, tar, oci, docker, image, registry or cacheonly", text, o.Type)
	}
	if !slices.Contains([]string{"", "gzip", "zstd", "zstd:chunked", "uncompressed"}, o.Compression) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --output %q: compression is gzip, zstd, zstd:chunked or uncompressed", text)
	}
	if o.Dest == "" && (o.Type == Local || o.Directory) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --output %q: say where to, with dest=DIRECTORY", text)
	}
	if o.Dest == Stdout && (o.Type == Local || o.Directory) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --output %q: a directory cannot be written to the standard output", text)
	}
	if o.Dest == "" && (o.Type == Tar || o.Type == OCI) {
		o.Dest = Stdout
	}
	return nil
}

// Stores says whether the image is to be in the store.
func (o *Output) Stores() bool {
	return o.Type == Image && o.Store || o.Type == Docker && o.Dest == ""
}

// Sends says whether there is something to do beside storing the image.
func (o *Output) Sends() bool { return o.Type != Image && o.Dest != "" || o.Push }
