package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
)

// The bounds of what is read into memory, which are those of go.podman.io/image.
const (
	maxDockerManifest = 1 << 20
	maxDockerConfig   = 4 << 20
)

// dockerArchive is an archive in the format of `docker save`: a tar with manifest.json, which names the
// configuration and the layers of each image by their entries. The layers may be compressed.
type dockerArchive struct {
	file    *os.File // not compressed
	entries map[string]archiveEntry
	items   []dockerItem
}

// archiveEntry is where an entry's content lies. Only a regular one has content.
type archiveEntry struct {
	at, size int64
	regular  bool
	link     string // the target of a symbolic link
}

// dockerItem is an image as manifest.json describes it.
type dockerItem struct {
	Config           string
	RepoTags, Layers []string
}

// dockerImage is what an archive says of one image.
type dockerImage struct {
	config  []byte
	layers  []dockerLayer // lowest first
	created time.Time     // zero where the configuration does not say
}

type dockerLayer struct {
	diffID digest.Digest
	entry  archiveEntry
}

// readDockerArchive finds what an archive holds.
func readDockerArchive(file *os.File) (*dockerArchive, error) {
	a := &dockerArchive{file: file}
	if err := a.readEntries(); err != nil {
		return nil, err
	}
	data, err := a.read("manifest.json", maxDockerManifest)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &a.items); err != nil {
		return nil, fmt.Errorf("its manifest.json cannot be read: %w", err)
	}
	return a, nil
}

// readEntries finds all entries, by seeking from header to header. The first one of a name counts.
func (a *dockerArchive) readEntries() error {
	if _, err := a.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	a.entries = map[string]archiveEntry{}
	for headers := tar.NewReader(a.file); ; {
		header, err := headers.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		at, err := a.file.Seek(0, io.SeekCurrent) // the reader takes the header alone
		if err != nil {
			return err
		}
		name := path.Clean(header.Name)
		if _, ok := a.entries[name]; !ok {
			a.entries[name] = entryOf(header, at)
		}
	}
}

func entryOf(header *tar.Header, at int64) archiveEntry {
	switch {
	case header.Typeflag == tar.TypeSymlink:
		return archiveEntry{link: header.Linkname}
	case header.Typeflag != tar.TypeReg, sparse(header):
		return archiveEntry{}
	}
	return archiveEntry{at: at, size: header.Size, regular: true}
}

// sparse says that the content is not stored as it is.
func sparse(header *tar.Header) bool {
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// find is the entry of that name. One link to another entry is followed, by which `docker save` once
// stored a layer that several images have; it cannot lead out of the archive, since names are only compared.
func (a *dockerArchive) find(name string) (archiveEntry, error) {
	name = path.Clean(name)
	entry, ok := a.entries[name]
	if ok && entry.link != "" {
		entry, ok = a.entries[path.Join(path.Dir(name), entry.link)]
	}
	if !ok {
		return entry, fmt.Errorf("it holds no %q", name)
	}
	if !entry.regular {
		return entry, fmt.Errorf("its %q is not a regular file", name)
	}
	return entry, nil
}

// open is the content of an entry.
func (a *dockerArchive) open(entry archiveEntry) io.Reader {
	return io.NewSectionReader(a.file, entry.at, entry.size)
}

func (a *dockerArchive) read(name string, limit int64) ([]byte, error) {
	entry, err := a.find(name)
	if err != nil {
		return nil, err
	}
	if entry.size > limit {
		return nil, fmt.Errorf("its %q is larger than %d bytes", name, limit)
	}
	data, err := io.ReadAll(a.open(entry))
	if err == nil && int64(len(data)) != entry.size {
		err = io.ErrUnexpectedEOF
	}
	return data, err
}

// image reads the configuration of an image, and looks whether its layers are there.
func (a *dockerArchive) image(item dockerItem) (*dockerImage, error) {
	data, err := a.read(item.Config, maxDockerConfig)
	if err != nil {
		return nil, err
	}
	var parsed manifest.Schema2Image
	if err := json.Unmarshal(data, &parsed); err != nil {
		return nil, fmt.Errorf("its %q cannot be read: %w", item.Config, err)
	}
	if parsed.RootFS == nil {
		return nil, fmt.Errorf("its %q has no rootfs", item.Config)
	}
	if len(item.Layers) != len(parsed.RootFS.DiffIDs) {
		return nil, fmt.Errorf("its manifest.json lists %d layers, and %q %d", len(item.Layers), item.Config, len(parsed.RootFS.DiffIDs))
	}
	one := &dockerImage{config: data, created: parsed.Created}
	for i, diffID := range parsed.RootFS.DiffIDs {
		if err := diffID.Validate(); err != nil || diffID.Algorithm() != digest.Canonical {
			return nil, fmt.Errorf("its %q has the layer %q, which is no sha256 digest", item.Config, diffID)
		}
		entry, err := a.find(item.Layers[i])
		if err != nil {
			return nil, err
		}
		one.layers = append(one.layers, dockerLayer{diffID, entry})
	}
	return one, nil
}

// names are those that the archive claims for the image; each must have a tag.
func (item dockerItem) names() ([]reference.Named, error) {
	var names []reference.Named
	for _, tag := range item.RepoTags {
		named, err := reference.ParseNormalizedNamed(tag)
		if err != nil {
			return nil, fmt.Errorf("its manifest.json has the name %q: %w", tag, err)
		}
		if _, ok := named.(reference.NamedTagged); !ok {
			return nil, fmt.Errorf("its manifest.json has the name %q, which has no tag", tag)
		}
		if _, ok := named.(reference.Canonical); ok {
			return nil, fmt.Errorf("its manifest.json has the name %q, which has a digest", tag)
		}
		names = append(names, named)
	}
	return names, nil
}
