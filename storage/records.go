package storage

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// imageRecord is the part of an entry of overlay-images/images.json that readers need. The format is
// that of storage.Image in go.podman.io/storage.
type imageRecord struct {
	ID             string            `json:"id"`
	Digest         string            `json:"digest"`
	Names          []string          `json:"names"`
	NamesHistory   []string          `json:"names-history"`
	TopLayer       string            `json:"layer"`
	MappedLayers   []string          `json:"mapped-layers"`
	BigDataNames   []string          `json:"big-data-names"`
	BigDataSizes   map[string]int64  `json:"big-data-sizes"`
	BigDataDigests map[string]string `json:"big-data-digests"`
	Created        time.Time         `json:"created"`
}

// layerRecord is the same of overlay-layers/layers.json.
type layerRecord struct {
	ID                 string    `json:"id"`
	Names              []string  `json:"names"`
	Parent             string    `json:"parent"`
	Created            time.Time `json:"created"`
	CompressedDigest   string    `json:"compressed-diff-digest"`
	UncompressedDigest string    `json:"diff-digest"`
	UncompressedSize   int64     `json:"diff-size"`
	Flags              struct {
		Incomplete bool `json:"incomplete"`
	} `json:"flags"`
}

// imageRecords is images.json: read by generated code, since each command reads the file anew that another program has written.
//
//easyjson:json
type imageRecords []imageRecord

// layerRecords is layers.json.
//
//easyjson:json
type layerRecords []layerRecord

// home is one directory that keeps images: the user's own, or a read-only one of
// additionalimagestores.
type home struct {
	root     string
	readOnly bool
	images   imageRecords
	layers   map[string]layerRecord
	// sources are the files that images and layers were read from, as they were before the reading.
	sources []source
}

func (h *home) imagesFile() string { return filepath.Join(h.root, "overlay-images", "images.json") }
func (h *home) layersFile() string { return filepath.Join(h.root, "overlay-layers", "layers.json") }
func (h *home) overlay() string    { return filepath.Join(h.root, "overlay") }

// homes lists the directories of a configuration in the order in which they are searched.
func homes(s config.Storage) []*home {
	list := []*home{{root: s.ImageRoot()}}
	if s.ImageStore != "" {
		list = append(list, &home{root: s.GraphRoot})
	}
	for _, root := range s.AdditionalStores {
		list = append(list, &home{root: root, readOnly: true})
	}
	return list
}

// load reads both files without a lock. Writers replace them by rename, images before layers when an
// image goes and after them when one comes: whoever reads images first finds every layer of an image
// that still is there. A file that is missing is an empty store. layers are loaded only on demand.
func (h *home) load() error {
	h.sources = []source{stamp(h.imagesFile()), stamp(h.layersFile())}
	if err := readJSON(h.imagesFile(), &h.images); err != nil {
		return err
	}
	valid := h.images[:0]
	for _, img := range h.images {
		if IsID(img.ID) {
			valid = append(valid, img)
		}
	}
	h.images = valid
	return nil
}

func (h *home) loadLayers() error {
	if h.layers != nil {
		return nil
	}
	var records layerRecords
	if err := readJSON(h.layersFile(), &records); err != nil {
		return err
	}
	h.layers = make(map[string]layerRecord, len(records))
	for _, l := range records {
		h.layers[l.ID] = l
	}
	return nil
}

// readJSON uses generated code where there is some: json.Unmarshal would look through everything before it.
func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrDenied, "cannot read the image store: %w", err)
	}
	if len(data) == 0 {
		return nil
	}
	read := func(data []byte) error { return json.Unmarshal(data, into) }
	if generated, ok := into.(json.Unmarshaler); ok {
		read = generated.UnmarshalJSON
	}
	if err := read(data); err != nil {
		return errdefs.Errorf(errdefs.ErrDamaged, "cannot read the image store: %s is damaged: %w", path, err)
	}
	return nil
}

// digests are the digests of the image's manifests, the ones that a reference NAME@DIGEST may give: first the one that it has now.
func (r *imageRecord) digests() []string {
	var list []string
	add := func(d string) {
		if newHash(d) != nil && !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	add(r.BigDataDigests["manifest"])
	add(r.Digest)
	for _, name := range r.BigDataNames {
		if strings.HasPrefix(name, "manifest-") {
			add(r.BigDataDigests[name])
		}
	}
	return list
}

// config reads the image's configuration and checks its digest, which it is stored under.
func (h *home) config(r *imageRecord) ([]byte, error) {
	key := "sha256:" + r.ID
	for _, name := range r.BigDataNames {
		if _, wanted := r.BigDataDigests[key]; wanted {
			break
		}
		if newHash(name) != nil { // images pulled in parts have ids of their own
			key = name
		}
	}
	path := filepath.Join(h.root, "overlay-images", r.ID, bigDataFile(key))
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot read the configuration of image %s: %w; remove the image and pull it again", names.Short(r.ID), err)
	}
	if !hasDigest(data, key) {
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot use image %s: its configuration %s does not have the digest %s; remove the image and pull it again", names.Short(r.ID), path, key)
	}
	return data, nil
}

// bigDataFile is the name of a file of containers/storage, which encodes keys that are not plain.
func bigDataFile(key string) string {
	if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789.") == "" && key != "" {
		return key
	}
	return "=" + base64.StdEncoding.EncodeToString([]byte(key))
}

// IsID says whether id is a full id: 64 lower-case hexadecimal digits. Only such an id is ever
// made part of a path.
func IsID(id string) bool { return len(id) == 64 && isHex(id) }

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}
