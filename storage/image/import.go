package image

import (
	"context"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/silence"
	"github.com/mosscontainers/moss/storage/store"
)

// ImportOptions are those of an import.
type ImportOptions struct {
	Name     string // "" for an image without a name
	Changes  []string
	Message  string
	Platform Platform
	Created  time.Time // zero: now
}

// Import makes an image with one layer of a tar archive, plain or compressed. source is a path, an
// http(s) URL, or "-" for in.
func (im *Images) Import(ctx context.Context, source string, in io.Reader, o ImportOptions) (id string, err error) {
	var names []string
	if o.Name != "" {
		named, err := ParseName(o.Name)
		if err != nil {
			return "", err
		}
		names = []string{named.String()}
	}
	doc := importDocument(source, o)
	if err := Apply(&doc.Config, o.Changes); err != nil {
		return "", err
	}
	stream, err := im.openSource(ctx, source, in)
	if err != nil {
		return "", err
	}
	defer closing(&err, stream)
	layer, err := im.store.PutFile(ctx, stream)
	if err != nil {
		return "", explain(err, "import", source)
	}
	id, err = im.newImage(doc, []store.Layer{*layer}, names, false)
	return id, im.dropLayer(layer.ID, err)
}

func importDocument(source string, o ImportOptions) Document {
	created := o.Created
	if created.IsZero() {
		created = time.Now()
	}
	created = created.UTC()
	comment := o.Message
	if comment == "" {
		comment = "imported from " + source
	}
	return Document{
		Created: &created,
		Platform: v1.Platform{
			OS:           firstOf(o.Platform.OS, runtime.GOOS),
			Architecture: firstOf(o.Platform.Arch, runtime.GOARCH),
			Variant:      o.Platform.Variant,
		},
		History: []v1.History{{Created: &created, CreatedBy: "moss import", Comment: comment}},
	}
}

// openSource opens what is imported, as a file that can be read twice.
func (im *Images) openSource(ctx context.Context, source string, in io.Reader) (f *os.File, err error) {
	switch {
	case source == "-":
		f, err = im.store.Spool(ctx, in)
		return f, explain(err, "import", "the standard input")
	case strings.HasPrefix(source, "http://"), strings.HasPrefix(source, "https://"):
		f, err = silence.Ask(ctx, func(ctx context.Context) (*os.File, error) { return im.download(ctx, source) })
		return f, explain(err, "import", source)
	}
	f, err = os.Open(source)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot import: %w", err)
	}
	info, err := f.Stat()
	if err != nil || info.Mode().IsRegular() {
		return f, err
	}
	defer closing(&err, f)
	spooled, err := im.store.Spool(ctx, f) // a pipe
	return spooled, explain(err, "import", source)
}

func (im *Images) download(ctx context.Context, url string) (f *os.File, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot import %s: %w", url, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot import: %w", err)
	}
	defer closing(&err, response.Body)
	if response.StatusCode != http.StatusOK {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot import %s: the server answered %s", url, response.Status)
	}
	return im.store.Spool(ctx, response.Body)
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
