package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mosscontainers/moss/storage/image"
	"github.com/mosscontainers/moss/storage/store"
)

// ImageOptions are what images are to be, beside what their Dockerfile says.
type ImageOptions struct {
	Names       []string // full
	Annotations map[string]string
	// PlatformAnnotations are added for one platform, as in linux/arm64; ListAnnotations are the list's.
	PlatformAnnotations map[string]map[string]string
	ListAnnotations     map[string]string
	List                string // a list that is to have the images, too; "" is none

	Docker      bool     // Docker's format
	Env         []string // NAME=VALUE
	UnsetEnv    []string
	UnsetLabels []string
	DropLabels  bool // of the image that the last stage begins with
	OSVersion   string
	OSFeatures  []string // with - behind one, it is taken away
	OmitHistory bool

	InheritAnnotations bool     // of the image that the last stage begins with
	UnsetAnnotations   []string // of those
	CreatedAnnotation  bool     // when the image was made
	Squash             bool     // one layer of those that the Dockerfile adds
	SquashAll          bool
}

// AnnotatePlatform annotates the manifests for a platform.
func (o *ImageOptions) AnnotatePlatform(platform, key, value string) {
	if o.PlatformAnnotations[platform] == nil {
		o.PlatformAnnotations[platform] = map[string]string{}
	}
	o.PlatformAnnotations[platform][key] = value
}

// Clone is a copy to add names and annotations to.
func (o *ImageOptions) Clone() ImageOptions {
	c := *o
	c.Names, c.Annotations, c.ListAnnotations = slices.Clone(o.Names), maps.Clone(o.Annotations), maps.Clone(o.ListAnnotations)
	c.PlatformAnnotations = map[string]map[string]string{}
	for platform, annotations := range o.PlatformAnnotations {
		c.PlatformAnnotations[platform] = maps.Clone(annotations)
	}
	return c
}

// Store makes images of what was built, in the store.
func (b *Builder) Store(ctx context.Context, res *Result, o ImageOptions) (*image.Assembled, error) {
	if !res.List {
		return b.storeOne(ctx, res.Images[0], o)
	}
	names := o.Names
	o.Names = nil
	var ids []string
	for _, one := range res.Images {
		made, err := b.Image(ctx, one, o)
		if err != nil {
			return nil, err
		}
		ids = append(ids, made.ID)
	}
	images, err := b.images()
	if err != nil {
		return nil, err
	}
	if o.List == "" {
		return images.NewList(ctx, names, ids, o.ListAnnotations)
	}
	list, err := images.ExtendList(ctx, o.List, ids, o.ListAnnotations)
	if err != nil || len(names) == 0 {
		return list, err
	}
	return images.NewList(ctx, names, ids, o.ListAnnotations)
}

func (b *Builder) storeOne(ctx context.Context, built Built, o ImageOptions) (*image.Assembled, error) {
	made, err := b.Image(ctx, built, o)
	if err != nil || o.List == "" {
		return made, err
	}
	images, err := b.images()
	if err != nil {
		return nil, err
	}
	_, err = images.ExtendList(ctx, o.List, []string{made.ID}, nil)
	return made, err
}

// Image makes an image of what was built for one platform, in the store.
func (b *Builder) Image(ctx context.Context, built Built, o ImageOptions) (*image.Assembled, error) {
	a, err := b.Assembly(ctx, built, o)
	if err != nil {
		return nil, err
	}
	images, err := b.images()
	if err != nil {
		return nil, err
	}
	return images.Assemble(a)
}

// Assembly is the image of what was built for one platform, not yet put together anywhere.
func (b *Builder) Assembly(ctx context.Context, built Built, o ImageOptions) (image.Assembly, error) {
	if o.Squash || o.SquashAll {
		if err := b.squash(ctx, &built, o.SquashAll); err != nil {
			return image.Assembly{}, err
		}
	}
	config, created, err := built.document(o)
	if err == nil && b.opts.Inline {
		config, err = b.withInline(config, built.layers)
	}
	if err != nil {
		return image.Assembly{}, err
	}
	annotations, err := b.annotations(&built, created, o)
	return image.Assembly{
		Config: config, Names: o.Names, Annotations: annotations, Docker: o.Docker, Created: created, Layers: built.layers.ids(),
	}, err
}

// fields are a JSON object: what is not known of it stays as it is.
type fields map[string]json.RawMessage

func (f fields) set(values map[string]any) (err error) {
	for name, value := range values {
		if f[name], err = json.Marshal(value); err != nil {
			return err
		}
	}
	return nil
}

// document completes the configuration of an image by its layers and by when they were made.
func (b *Built) document(o ImageOptions) (config []byte, created time.Time, err error) {
	var all, inner fields
	var doc v1.Image
	for _, into := range []any{&all, &doc} {
		if err := json.Unmarshal(b.Config, into); err != nil {
			return nil, created, fmt.Errorf("cannot read the configuration of the image: %w", err)
		}
	}
	doc.RootFS = v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}
	for _, l := range b.layers {
		doc.RootFS.DiffIDs = append(doc.RootFS.DiffIDs, l.DiffID)
	}
	created = b.date(&doc)
	if o.OmitHistory {
		doc.History = nil
	}
	outer := o.changeOuter(&doc)
	outer["rootfs"], outer["history"], outer["created"] = doc.RootFS, doc.History, created
	if err := all.set(outer); err != nil {
		return nil, created, err
	}
	if err := json.Unmarshal(all["config"], &inner); err != nil {
		return nil, created, fmt.Errorf("cannot read the configuration of the image: %w", err)
	}
	if err := inner.set(o.change(&doc.Config, b.Base)); err != nil {
		return nil, created, err
	}
	if err := all.set(map[string]any{"config": inner}); err != nil {
		return nil, created, err
	}
	config, err = json.Marshal(all)
	return config, created, err
}

// change gives what the flags change of the configuration's inner part.
func (o *ImageOptions) change(c *v1.ImageConfig, base []byte) map[string]any {
	changed := map[string]any{}
	if len(o.Env) > 0 || len(o.UnsetEnv) > 0 {
		unset := slices.Clone(o.UnsetEnv)
		for _, kv := range o.Env {
			name, _, _ := strings.Cut(kv, "=")
			unset = append(unset, name)
		}
		env := slices.DeleteFunc(slices.Clone(c.Env), func(kv string) bool {
			name, _, _ := strings.Cut(kv, "=")
			return slices.Contains(unset, name)
		})
		changed["Env"] = append(env, o.Env...)
	}
	if len(o.UnsetLabels) > 0 || o.DropLabels {
		for _, name := range o.UnsetLabels {
			delete(c.Labels, name)
		}
		if o.DropLabels {
			dropLabels(c, base)
		}
		changed["Labels"] = c.Labels
	}
	return changed
}

// dropLabels removes those that are just as in the configuration of the image below.
func dropLabels(c *v1.ImageConfig, base []byte) {
	var below v1.Image
	if json.Unmarshal(base, &below) != nil { // there is none
		return
	}
	maps.DeleteFunc(c.Labels, func(name, value string) bool {
		was, ok := below.Config.Labels[name]
		return ok && was == value
	})
}

// changeOuter gives what the flags change of what a platform is.
func (o *ImageOptions) changeOuter(doc *v1.Image) map[string]any {
	changed := map[string]any{}
	if o.OSVersion != "" {
		changed["os.version"] = o.OSVersion
	}
	if len(o.OSFeatures) == 0 {
		return changed
	}
	features := doc.OSFeatures
	for _, f := range o.OSFeatures {
		name, remove := strings.CutSuffix(f, "-")
		features = slices.DeleteFunc(features, func(have string) bool { return have == name })
		if !remove {
			features = append(features, name)
		}
	}
	changed["os.features"] = features
	return changed
}

// squash makes one layer of those that were added, or of all.
func (b *Builder) squash(ctx context.Context, built *Built, all bool) error {
	keep := 0
	for keep < len(built.layers) && built.layers[keep].Created.IsZero() && !all {
		keep++
	}
	if len(built.layers)-keep < 2 {
		return nil
	}
	base, last := built.layers[:keep:keep], built.layers[len(built.layers)-1]
	one, err := b.together(ctx, base, built.layers)
	if err != nil {
		return err
	}
	if last.Created.IsZero() {
		last.Created = time.Now().UTC()
	}
	built.layers = base.on(layer{ID: one.ID, DiffID: one.DiffID, Created: last.Created})
	return nil
}

// together makes one layer of all above base.
func (b *Builder) together(ctx context.Context, base, all snapshot) (_ *store.Layer, err error) {
	images, err := b.images()
	if err != nil {
		return nil, err
	}
	if len(base) > 0 {
		return images.Store().Squash(ctx, base.top(), all.top())
	}
	r, err := b.open(result{layers: all})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return images.Store().CommitLayer(ctx, "", store.Upper{Dir: r.Root})
}
