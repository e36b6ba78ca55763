package image

import (
	"archive/tar"
	"bytes"
	"context"
	"runtime"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mosscontainers/moss/libpod/embedded"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/storage/store"
)

// helloName is the image that moss carries itself, so that a first run needs no registry.
const helloName = "localhost/hello:latest"

func isHello(name string) bool { return name == helloName || name == "localhost/hello" }

// EnsureHello makes localhost/hello where it is absent: one static program, /hello. The same moss
// always makes the same image.
func (im *Images) EnsureHello(ctx context.Context) (id string, err error) {
	if img, err := im.find(helloName); err == nil {
		return img.ID, nil
	}
	program, err := embedded.Hello()
	if err != nil {
		return "", err
	}
	archive, err := helloArchive(program)
	if err != nil {
		return "", err
	}
	layer, err := im.store.PutLayer(ctx, "", archive)
	if err != nil {
		return "", explain(err, "make", helloName)
	}
	created := time.Unix(0, 0).UTC()
	doc := Document{
		Created:  &created,
		Platform: v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH},
		Config:   spec.ImageConfig{Entrypoint: []string{"/hello"}},
		History:  []v1.History{{Created: &created, CreatedBy: "moss", Comment: "carried by moss itself"}},
	}
	id, err = im.newImage(doc, []store.Layer{*layer}, []string{helloName}, false)
	return id, im.dropLayer(layer.ID, err)
}

func helloArchive(program []byte) (*bytes.Reader, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	header := &tar.Header{Name: "hello", Mode: 0o755, Size: int64(len(program)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if err := w.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return bytes.NewReader(b.Bytes()), nil
}
