package image

import (
	"encoding/json"
	"maps"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/storage"
)

// Inspected is what `image inspect` shows, with Podman's names.
type Inspected struct {
	ID           string            `json:"Id"`
	Digest       string            `json:"Digest"`
	RepoTags     []string          `json:"RepoTags"`
	RepoDigests  []string          `json:"RepoDigests"`
	Parent       string            `json:"Parent"`
	Comment      string            `json:"Comment"`
	Created      *time.Time        `json:"Created"`
	Config       spec.ImageConfig  `json:"Config"`
	Version      string            `json:"Version"`
	Author       string            `json:"Author"`
	Architecture string            `json:"Architecture"`
	Os           string            `json:"Os"`
	OsVersion    string            `json:"OsVersion,omitempty"`
	Variant      string            `json:"Variant,omitempty"` // of the architecture
	Size         int64             `json:"Size"`
	VirtualSize  int64             `json:"VirtualSize"`
	GraphDriver  GraphDriver       `json:"GraphDriver"`
	RootFS       RootFS            `json:"RootFS"`
	Labels       map[string]string `json:"Labels"`
	Annotations  map[string]string `json:"Annotations"`         // of its manifest
	ManifestType string            `json:"ManifestType"`        // media type; "" where it has no manifest
	Descriptor   v1.Descriptor     `json:"Descriptor,omitzero"` // of its manifest
	User         string            `json:"User"`
	History      []v1.History      `json:"History"`
	NamesHistory []string          `json:"NamesHistory"` // names that it has or has had
	HealthCheck  *spec.Healthcheck `json:"Healthcheck,omitempty"`
}

// GraphDriver says where the layers are.
type GraphDriver struct {
	Name string            `json:"Name"`
	Data map[string]string `json:"Data"`
}

// RootFS lists the digests of the uncompressed layers, lowest first.
type RootFS struct {
	Type   string   `json:"Type"`
	Layers []string `json:"Layers"`
}

// Inspect describes a local image. It reads files only.
func Inspect(cfg *config.Config, name string) (*Inspected, error) {
	img, doc, err := document(cfg, name)
	if err != nil {
		return nil, err
	}
	i := &Inspected{
		ID: img.ID, RepoTags: tags(img.Names), RepoDigests: storage.RepoDigests(img.Names, img.Digests),
		Created: doc.Created, Config: doc.Config, Author: doc.Author,
		Architecture: doc.Architecture, Os: doc.OS, OsVersion: doc.OSVersion, Variant: doc.Variant, Size: img.Size, VirtualSize: img.Size,
		GraphDriver: GraphDriver{Name: "overlay", Data: map[string]string{}},
		RootFS:      RootFS{Type: doc.RootFS.Type, Layers: []string{}},
		Labels:      doc.Config.Labels, User: doc.Config.User, History: doc.History, HealthCheck: doc.Config.Healthcheck,
	}
	if len(img.Digests) > 0 {
		i.Digest = img.Digests[0]
	}
	if n := len(doc.History); n > 0 {
		i.Comment = doc.History[n-1].Comment
	}
	for _, d := range doc.RootFS.DiffIDs {
		i.RootFS.Layers = append(i.RootFS.Layers, d.String())
	}
	var lower []string
	for _, id := range img.Layers {
		lower = append(lower, img.Home+"/"+id+"/diff")
	}
	if len(lower) > 0 {
		i.GraphDriver.Data["UpperDir"] = lower[0]
		if len(lower) > 1 {
			i.GraphDriver.Data["LowerDir"] = strings.Join(lower[1:], ":")
		}
	}
	return i, i.addManifest(cfg)
}

// addManifest adds what the configuration does not say.
func (i *Inspected) addManifest(cfg *config.Config) error {
	raw, history, err := storage.ReadManifest(cfg.Storage, i.ID)
	if err != nil {
		return err
	}
	i.NamesHistory, i.Annotations = append([]string{}, history...), map[string]string{}
	if raw == nil {
		return nil
	}
	var said struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return errdefs.Errorf(errdefs.ErrDamaged, "cannot inspect image %s: its manifest is damaged: %w", i.ID, err)
	}
	maps.Copy(i.Annotations, said.Annotations)
	i.ManifestType = manifest.GuessMIMEType(raw)
	i.Descriptor = descriptorOf(i.ManifestType, raw)
	return nil
}

func document(cfg *config.Config, name string) (*storage.Image, *Document, error) {
	img, err := storage.Resolve(cfg, name)
	if err != nil {
		return nil, nil, err
	}
	raw, err := storage.ReadConfig(cfg.Storage, img.ID)
	if err != nil {
		return nil, nil, err
	}
	doc := &Document{}
	if err := json.Unmarshal(raw, doc); err != nil {
		return nil, nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot inspect image %s: its configuration is damaged: %w", name, err)
	}
	return img, doc, nil
}

func tags(names []string) []string {
	list := []string{}
	for _, name := range names {
		if !strings.Contains(name, "@") {
			list = append(list, name)
		}
	}
	return list
}

// Step is one line of `history`. In JSON it has Podman's names.
type Step struct {
	ID        string    `json:"id"` // of the image, for the newest step; "" for others
	Created   time.Time `json:"created"`
	CreatedBy string
	Size      int64    `json:"size"` // bytes, of the layer
	Comment   string   `json:"comment"`
	Tags      []string `json:"tags,omitempty"` // of the image, for the newest step
	Empty     bool     `json:"empty"`          // made no layer
}

// History lists how an image was made, newest first. It reads files only.
func History(cfg *config.Config, name string) ([]Step, error) {
	img, doc, err := document(cfg, name)
	if err != nil {
		return nil, err
	}
	sizes, err := storage.LayerSizes(cfg.Storage, img.Layers)
	if err != nil {
		return nil, err
	}
	steps, layer := []Step{}, 0
	for i := len(doc.History) - 1; i >= 0; i-- {
		h := doc.History[i]
		step := Step{CreatedBy: h.CreatedBy, Comment: h.Comment, Empty: h.EmptyLayer}
		if h.Created != nil {
			step.Created = *h.Created
		}
		if !h.EmptyLayer && layer < len(sizes) {
			step.Size = sizes[layer]
			layer++
		}
		steps = append(steps, step)
	}
	if len(steps) > 0 {
		steps[0].ID, steps[0].Tags = img.ID, tags(img.Names)
	}
	return steps, nil
}
