package image_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/storage/pkg/chunked/compressor"

	"github.com/mosscontainers/moss/storage/image"
)

// inParts is a storage.conf.
const inParts = `[storage]
driver = "overlay"
[storage.options.pull_options]
enable_partial_images = "true"
`

const (
	tocSum  = "io.github.containers.zstd-chunked.manifest-checksum"
	tocAt   = "io.github.containers.zstd-chunked.manifest-position"
	splitAt = "io.github.containers.zstd-chunked.tarsplit-position"
)

// chunked is a layer that says which files it has, in a table that a test may change.
type chunked struct {
	blob        []byte
	annotations map[string]string
	toc         map[string]any
	diffID      digest.Digest
}

func newChunked(t *testing.T) *chunked {
	t.Helper()
	plain := archive(t,
		entry{Header: tar.Header{Name: "dir/", Typeflag: tar.TypeDir, Mode: 0o755}},
		entry{Header: tar.Header{Name: "dir/file", Mode: 0o644}, content: strings.Repeat("content ", 20000)},
		entry{Header: tar.Header{Name: "other", Mode: 0o644}, content: "other"})
	c := &chunked{annotations: map[string]string{}, diffID: digest.FromBytes(plain)}
	var b bytes.Buffer
	w, err := compressor.ZstdCompressor(&b, c.annotations, nil)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	c.blob = b.Bytes()
	offset, length := c.position(t)
	r, err := zstd.NewReader(bytes.NewReader(c.blob[offset : offset+length]))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := json.NewDecoder(r).Decode(&c.toc); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *chunked) position(t *testing.T) (offset, length int) {
	t.Helper()
	if _, err := fmt.Sscanf(c.annotations[tocAt], "%d:%d", &offset, &length); err != nil {
		t.Fatal(err)
	}
	return offset, length
}

// file is the entry of the table with a name.
func (c *chunked) file(name string) map[string]any {
	for _, e := range c.toc["entries"].([]any) {
		if entry := e.(map[string]any); entry["name"] == name && entry["type"] == "reg" {
			return entry
		}
	}
	return nil
}

func (c *chunked) add(entries ...map[string]any) {
	for _, e := range entries {
		c.toc["entries"] = append(c.toc["entries"].([]any), e)
	}
}

// seal puts the changed table behind the layer.
func (c *chunked) seal(t *testing.T) {
	t.Helper()
	raw := marshal(t, c.toc)
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := w.EncodeAll(raw, nil)
	frame := binary.LittleEndian.AppendUint32([]byte{0x50, 0x2a, 0x4d, 0x18}, uint32(len(packed)))
	c.annotations[tocAt] = fmt.Sprintf("%d:%d:%d:1", len(c.blob)+len(frame), len(packed), len(raw))
	c.annotations[tocSum] = digest.FromBytes(packed).String()
	c.blob = append(append(c.blob, frame...), packed...)
}

// serve is a registry with an image of the layer, which gives parts of it.
func (c *chunked) serve(t *testing.T) (name string) {
	t.Helper()
	config := marshal(t, v1.Image{
		Platform: v1.Platform{Architecture: "amd64", OS: "linux"}, RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{c.diffID}},
	})
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ociManifest}
	m.Config = v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))}
	m.Layers = []v1.Descriptor{{MediaType: v1.MediaTypeImageLayerZstd, Digest: digest.FromBytes(c.blob), Size: int64(len(c.blob)), Annotations: c.annotations}}
	manifest := marshal(t, m)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", ociManifest)
			_, _ = w.Write(manifest)
		case strings.HasSuffix(r.URL.Path, m.Config.Digest.String()):
			_, _ = w.Write(config)
		case strings.Contains(r.URL.Path, "/blobs/"):
			w.Header().Set("Content-Type", "application/octet-stream")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(c.blob))
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://") + "/team/sly:1"
}

func marshal(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Layers that can be pulled in parts say which files they have, where these are and what they sum up to. None of that is believed.
func TestTablesOfFilesThatLieAreRefused(t *testing.T) {
	reg := func(name string, more map[string]any) map[string]any {
		e := map[string]any{"type": "reg", "name": name, "mode": 0o644}
		for k, v := range more {
			e[k] = v
		}
		return e
	}
	victim := filepath.Join(t.TempDir(), "victim")
	writeFile(t, victim, "untouched")
	for _, c := range []struct {
		what  string
		lie   func(c *chunked)
		taken bool // since nobody looks at it
	}{
		{"the truth", func(*chunked) {}, true},
		{"a size that is too large", func(c *chunked) { c.file("other")["size"] = 1 << 50 }, false},
		{"a negative size", func(c *chunked) { c.file("other")["size"] = -1 }, false},
		{"a size that is too small", func(c *chunked) { c.file("dir/file")["size"] = 3 }, false},
		{"an offset behind the end", func(c *chunked) { c.file("other")["offset"] = 1 << 50 }, false},
		{"a negative offset", func(c *chunked) { c.file("other")["offset"] = -5 }, false},
		{"an end before the beginning", func(c *chunked) { c.file("other")["endOffset"] = 1 }, false},
		{"a huge chunk", func(c *chunked) { c.file("dir/file")["chunkSize"] = 1 << 60; c.file("dir/file")["endOffset"] = 1 << 60 }, false},
		{"a negative chunk", func(c *chunked) { c.file("other")["chunkSize"] = -1; c.file("other")["chunkOffset"] = -1 }, true},
		{"another file's digest", func(c *chunked) { c.file("other")["digest"] = c.file("dir/file")["digest"] }, false},
		{"a digest that is a path", func(c *chunked) { c.file("other")["digest"] = "sha256:../../../../../../etc/passwd" }, false},
		{"a name above the root", func(c *chunked) { c.file("other")["name"] = "../../../../../../../../../.." + victim }, false},
		{"an absolute name", func(c *chunked) { c.file("other")["name"] = victim }, false},
		{"an empty name", func(c *chunked) { c.file("other")["name"] = "" }, false},
		{"an entry twice", func(c *chunked) { c.add(c.file("other")) }, false},
		{"a link and a file through it", func(c *chunked) {
			c.add(map[string]any{"type": "symlink", "name": "out", "linkName": filepath.Dir(victim), "mode": 0o777}, reg("out/victim", map[string]any{"size": 0}))
		}, false},
		{"a hard link to the host's", func(c *chunked) { c.add(map[string]any{"type": "hardlink", "name": "hard", "linkName": victim}) }, false},
		{"a whiteout above the root", func(c *chunked) { c.add(reg("../../.wh.victim", nil), reg(".wh..", nil), reg(".wh..wh..opq", nil)) }, false},
		{"a device", func(c *chunked) {
			c.add(map[string]any{"type": "block", "name": "disk", "devMajor": 8, "mode": 0o666})
		}, false},
		{"a type that nobody has", func(c *chunked) { c.add(map[string]any{"type": "teapot", "name": "t"}) }, false},
		{"a chunk without a file", func(c *chunked) {
			c.toc["entries"] = append([]any{map[string]any{"type": "chunk", "name": "other", "chunkSize": 10}}, c.toc["entries"].([]any)...)
		}, false},
		{"no files at all", func(c *chunked) { c.toc["entries"] = []any{} }, false},
		{"very many files", func(c *chunked) {
			for i := range 200000 {
				c.add(reg(fmt.Sprintf("many/%d", i), nil))
			}
		}, false},
		{"a table elsewhere", func(c *chunked) { c.annotations["lie"] = "999999999:10:10:1" }, false},
		{"a table without end", func(c *chunked) { c.annotations["lie"] = "10:9999999999999:9999999999999:1" }, false},
		{"a table that is larger than it says", func(c *chunked) { c.annotations["lie"] = "shorter" }, true},
		{"a tar that is not there", func(c *chunked) { c.annotations[splitAt] = "9999999:9999999999:99999999999" }, false},
		{"a tar that has more than there is memory for", func(c *chunked) { c.annotations[splitAt] = "10:99999999999999999:1" }, false},
		{"a tar before the beginning", func(c *chunked) { c.annotations[splitAt] = "-10:5:1" }, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			cfg, im := configured(t, inParts)
			layer := newChunked(t)
			c.lie(layer)
			layer.seal(t)
			layer.lieOfTable(t)
			_, err := im.Pull(t.Context(), layer.serve(t), image.PullOptions{Copying: insecure()})
			switch {
			case c.taken && err != nil:
				t.Errorf("was refused: %v", err)
			case !c.taken && (err == nil || !strings.HasPrefix(err.Error(), "cannot pull ") || strings.Contains(err.Error(), "\n")):
				t.Errorf("want one sentence, got %v", err)
			case !c.taken:
				nothingLeft(t, cfg)
			}
			if got, err := os.ReadFile(victim); err != nil || string(got) != "untouched" {
				t.Errorf("the host's file: %q, %v", got, err)
			}
		})
	}
}

// lieOfTable changes where the table is said to be.
func (c *chunked) lieOfTable(t *testing.T) {
	t.Helper()
	lie := c.annotations["lie"]
	delete(c.annotations, "lie")
	switch lie {
	case "":
	case "shorter":
		offset, length := c.position(t)
		c.annotations[tocAt] = fmt.Sprintf("%d:%d:2:1", offset, length)
	default:
		c.annotations[tocAt] = lie
	}
}
