package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/image"
)

// A docker-archive says by name where its parts are; only the archive itself may be meant.
func TestHostileDockerArchivesReadNothingOutside(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.tar")
	writeFile(t, secret, string(archive(t, file("secret", "the host's"))))
	link := entry{tar.Header{Name: "layer.tar", Typeflag: tar.TypeSymlink, Linkname: secret}, ""}
	for _, c := range []struct {
		what, manifest string
		more           []entry
	}{
		{"a layer with a path that climbs", `[{"Config":"config.json","RepoTags":["x:1"],"Layers":["../../../../../..` + secret + `"]}]`, nil},
		{"a layer with an absolute path", `[{"Config":"config.json","RepoTags":["x:1"],"Layers":["` + secret + `"]}]`, nil},
		{"a layer that is a link to the host", `[{"Config":"config.json","RepoTags":["x:1"],"Layers":["layer.tar"]}]`, []entry{link}},
		{"a configuration that climbs", `[{"Config":"../../../etc/passwd","RepoTags":["x:1"],"Layers":[]}]`, nil},
		{"a name that is a path", `[{"Config":"config.json","RepoTags":["../../x:1"],"Layers":[]}]`, nil},
		{"no images", `[]`, nil},
		{"something else", `{"a":1}`, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			cfg, im := newStore(t)
			config := `{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"]}}`
			whole := archive(t, append(c.more, file("config.json", config), file("manifest.json", c.manifest))...)
			if loaded, err := im.LoadStream(t.Context(), bytes.NewReader(whole), nil); len(loaded) > 0 {
				t.Errorf("loaded as %+v, %v", loaded, err)
			}
			nothingLeft(t, cfg)
		})
	}
}

// The layers of a docker-archive may be compressed, and so may be the whole; what they hold must be what
// the configuration says.
func TestDockerArchivesAreWhatTheyClaim(t *testing.T) {
	lower, upper := archive(t, file("a", "1")), archive(t, file("b", "2"))
	right := []digest.Digest{digest.FromBytes(lower), digest.FromBytes(upper)}
	for _, c := range []struct {
		what    string
		diffIDs []digest.Digest
		layers  [][]byte
		whole   func([]byte) []byte
		problem string // "" for none
	}{
		{"plain layers", right, [][]byte{lower, upper}, bytes.Clone, ""},
		{"one compressed layer", right, [][]byte{lower, gzipped(upper)}, bytes.Clone, ""},
		{"all of it compressed", right, [][]byte{gzipped(lower), upper}, gzipped, ""},
		{"the same layer twice", []digest.Digest{right[0], right[0]}, [][]byte{lower, lower}, bytes.Clone, ""},
		{"another layer", right, [][]byte{lower, lower}, bytes.Clone, "digest"},
		{"more behind the end of a layer", right, [][]byte{lower, append(bytes.Clone(upper), 1)}, bytes.Clone, "digest"},
		{"a layer compressed twice", right, [][]byte{lower, gzipped(gzipped(upper))}, bytes.Clone, "digest"},
		{"compressed inside of what is summed", []digest.Digest{right[0], digest.FromBytes(gzipped(upper))}, [][]byte{lower, gzipped(gzipped(upper))}, bytes.Clone, "digest"},
		{"half a layer", right, [][]byte{lower, gzipped(upper)[:40]}, bytes.Clone, "EOF"},
		{"a layer too few", right, [][]byte{lower}, bytes.Clone, "lists 1 layers"},
		{"no digest", []digest.Digest{"sha256:../x", right[1]}, [][]byte{lower, upper}, bytes.Clone, "no sha256 digest"},
	} {
		t.Run(c.what, func(t *testing.T) {
			cfg, im := newStore(t)
			whole := c.whole(dockerArchive(t, c.diffIDs, c.layers))
			loaded, err := im.LoadStream(t.Context(), bytes.NewReader(whole), nil)
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) || strings.Contains(err.Error(), "\n") {
					t.Errorf("want one line with %q, got %v", c.problem, err)
				}
				nothingLeft(t, cfg)
				return
			}
			if err != nil || len(loaded) != 1 || len(resolve(t, cfg, "x:1").Lower) != len(c.layers) {
				t.Errorf("%+v, %v", loaded, err)
			}
		})
	}
}

func TestPolicyMayRefuseArchives(t *testing.T) {
	cfg, im := newStore(t)
	writeFile(t, os.Getenv("CONTAINERS_POLICY_JSON"), `{"default":[{"type":"insecureAcceptAnything"}],"transports":{"docker-archive":{"":[{"type":"reject"}]}}}`)
	layer := archive(t, file("a", "1"))
	whole := dockerArchive(t, []digest.Digest{digest.FromBytes(layer)}, [][]byte{layer})
	if _, err := im.LoadStream(t.Context(), bytes.NewReader(whole), nil); !errors.Is(err, errdefs.ErrDenied) {
		t.Errorf("loaded: %v", err)
	}
	nothingLeft(t, cfg)
}

// dockerArchive is an archive of the image x:1.
func dockerArchive(t *testing.T, diffIDs []digest.Digest, layers [][]byte) []byte {
	t.Helper()
	rootfs, err := json.Marshal(diffIDs)
	if err != nil {
		t.Fatal(err)
	}
	var entries []entry
	var names []string
	for i, layer := range layers {
		names = append(names, fmt.Sprintf("%d.tar", i))
		entries = append(entries, file(names[i], string(layer)))
	}
	list, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	return archive(t, append(entries,
		file("config.json", `{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":`+string(rootfs)+`}}`),
		file("manifest.json", `[{"Config":"config.json","RepoTags":["x:1"],"Layers":`+string(list)+`}]`))...)
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data) // into memory
	_ = w.Close()
	return b.Bytes()
}

// What a layer says of one entry is refused as a whole, in one line that is no panic, and nothing remains.
func TestHostileEntriesAreRefused(t *testing.T) {
	for _, c := range []struct {
		what    string
		archive []byte
		says    string
	}{
		{"an entry of 1 EiB", endless(t, tar.Header{Name: "huge", Typeflag: tar.TypeReg, Size: 1 << 60, Mode: 0o644}), `the entry "huge" has 1152921504606846976 bytes`},
		{"a hole of 1 PiB", hole(t, "hole", 1<<50), `the entry "hole" has 1125899906842624 bytes`},
		{"an entry twice", archive(t, file("a", "1"), file("./a", "2")), `the entry "./a": duplicates`},
		{"xz that asks for 4 GiB", unpackable(), "more than 128 MiB of memory"},
		{"a truncated archive", archive(t, file("a", strings.Repeat("x", 1<<16)))[:1<<15], "EOF"},
		{"no archive", []byte(strings.Repeat("not a tar archive ", 100)), "invalid tar header"},
	} {
		t.Run(c.what, func(t *testing.T) {
			cfg, im := newStore(t)
			_, err := im.Import(t.Context(), "-", bytes.NewReader(c.archive), image.ImportOptions{Name: "x"})
			if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("want one line with %q, got %v", c.says, err)
			}
			nothingLeft(t, cfg)
		})
	}
	cfg, im := newStore(t)
	_, err := im.LoadStream(t.Context(), bytes.NewReader(unpackable()), nil)
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "more than 128 MiB of memory") {
		t.Errorf("load: %v", err)
	}
	nothingLeft(t, cfg)
}

// hole is an archive of one file that is nothing but a hole, in GNU tar's form 1.0.
func hole(t *testing.T, name string, size int64) []byte {
	t.Helper()
	numbers := fmt.Sprintf("1\n%d\n0\n", size) // of pieces, where the last begins, and its length
	numbers += strings.Repeat("\x00", 512-len(numbers))
	records := ""
	for _, r := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=" + name, fmt.Sprintf("GNU.sparse.realsize=%d", size)} {
		records += fmt.Sprintf("%d %s\n", len(r)+4, r) // each has a length of two digits
	}
	var b bytes.Buffer
	for _, e := range []struct {
		kind    byte
		content string
	}{{'x', records}, {'0', numbers}} {
		head := make([]byte, 512)
		copy(head, "x")
		copy(head[100:], "0000644\x000000000\x000000000\x00")
		copy(head[124:], fmt.Sprintf("%011o\x0000000000000\x00        %c", len(e.content), e.kind))
		copy(head[257:], "ustar\x0000")
		sum := 0
		for _, c := range head {
			sum += int(c)
		}
		copy(head[148:], fmt.Sprintf("%06o\x00 ", sum))
		b.Write(head)
		b.WriteString(e.content + strings.Repeat("\x00", (512-len(e.content)%512)%512))
	}
	return append(b.Bytes(), make([]byte, 1024)...)
}

// unpackable is the beginning of what was compressed with xz and a dictionary of 4 GiB.
func unpackable() []byte {
	sum := binary.LittleEndian.AppendUint32
	stream := sum([]byte("\xfd7zXZ\x00\x00\x00"), crc32.ChecksumIEEE([]byte{0, 0}))
	block := []byte{2, 0, 0x21, 1, 40, 0, 0, 0} // its size in words, one filter, LZMA2, one byte about it: the dictionary
	return append(append(stream, sum(block, crc32.ChecksumIEEE(block))...), 1, 0, 0, 'x', 0)
}

// endless is an archive that ends in the middle of the first entry's content.
func endless(t *testing.T, header tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&header); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "only this"); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A device in a layer must not be one on the host: a user has no right to make it, and it is left out or refused.
func TestDevicesOfALayerAreNotMade(t *testing.T) {
	cfg, im := newStore(t)
	_, err := im.Import(t.Context(), "-", bytes.NewReader(archive(t,
		file("hello", "x"),
		entry{tar.Header{Name: "disk", Typeflag: tar.TypeBlock, Devmajor: 8, Devminor: 0, Mode: 0o666}, ""},
	)), image.ImportOptions{Name: "devices"})
	t.Logf("import: %v", err)
	if os.Getenv("_CONTAINERS_ROOTLESS_UID") == "" {
		return // real root may
	}
	devices, err := filepath.Glob(filepath.Join(cfg.Storage.GraphRoot, "overlay/*/diff/disk"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		if info, err := os.Lstat(d); err == nil && info.Mode()&os.ModeDevice != 0 {
			t.Errorf("%s is a device", d)
		}
	}
}

func TestArchivesAreReadFromWhereTheyAre(t *testing.T) {
	_, im := newStore(t)
	id := busybox(t, im, "busybox")
	path := filepath.Join(t.TempDir(), "saved.tar")
	if err := im.Save(t.Context(), []string{"busybox"}, path, image.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if loaded, err := im.LoadStream(t.Context(), f, nil); err != nil || len(loaded) != 1 || loaded[0].ID != id {
		t.Errorf("from a redirected file: %+v, %v", loaded, err)
	}
	if _, err := im.Remove(t.Context(), "busybox", image.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	pulled, err := im.Pull(t.Context(), "docker-archive:"+path, image.PullOptions{})
	if err != nil || len(pulled) != 1 || pulled[0].Name != "localhost/busybox:latest" {
		t.Errorf("by transport: %+v, %v", pulled, err)
	}
	if pulled, err = im.Pull(t.Context(), "containers-storage:busybox", image.PullOptions{}); err != nil || pulled[0].ID != id || !pulled[0].Local {
		t.Errorf("from the store: %+v, %v", pulled, err)
	}
}

func TestUnusedImagesAreLetGo(t *testing.T) {
	_, im := newStore(t)
	id := busybox(t, im, "busybox")
	if err := im.Store().Pin(id); err != nil {
		t.Fatal(err)
	}
	used := func(string) ([]string, error) { return []string{"c"}, nil }
	for _, c := range []struct {
		inUse image.InUse
		left  int
	}{{used, 1}, {nil, 0}} {
		if err := im.UnpinUnused(c.inUse); err != nil {
			t.Fatal(err)
		}
		containers, err := im.Store().Library().Containers()
		if err != nil || len(containers) != c.left {
			t.Errorf("want %d pins, have %+v, %v", c.left, containers, err)
		}
	}
	if _, err := im.Pull(t.Context(), "busybox", image.PullOptions{Policy: image.PullNever}); err != nil {
		t.Errorf("the image went too: %v", err)
	}
}

func TestDamagedStoreIsOneSentence(t *testing.T) {
	cfg, im := newStore(t)
	busybox(t, im, "busybox")
	writeFile(t, filepath.Join(cfg.Storage.GraphRoot, "overlay-images/images.json"), "{{{\n")
	if _, err := image.Open(t.Context(), cfg); err != nil && (!errors.Is(err, errdefs.ErrDamaged) || strings.Contains(err.Error(), "\n")) {
		t.Errorf("opening: %v", err)
	}
	if _, err := im.Pull(t.Context(), "busybox", image.PullOptions{Policy: image.PullNever}); !errors.Is(err, errdefs.ErrDamaged) || strings.Contains(err.Error(), "\n") {
		t.Errorf("finding: %v", err)
	}
}
