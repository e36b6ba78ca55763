package build

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/image"
)

// bases are the images that a build begins with: each name means one image throughout a build.
type bases struct {
	mu   sync.Mutex
	list map[string]*base
}

// base is an image that a stage begins with.
type base struct {
	once   sync.Once
	err    error
	local  bool // it was there
	layers snapshot
	config []byte
	id     string        // of the image
	digest digest.Digest // of its manifest; "" where there is none
}

// base finds an image, or pulls it as the policy says. name may have the digest that base found before.
func (s *solver) base(ctx context.Context, name string, p v1.Platform) (*base, error) {
	tagged, pinned, _ := strings.Cut(name, "@")
	if strings.HasPrefix(name, layoutScheme) { // what it is pinned to may be a list
		tagged, pinned = name, ""
	}
	called := tagged + " " + platforms.Format(p)
	s.bases.mu.Lock()
	if s.bases.list == nil {
		s.bases.list = map[string]*base{}
	}
	b := s.bases.list[called]
	if b == nil || b.digest != "" && pinned != "" && pinned != b.digest.String() {
		b = &base{}
		s.bases.list[called] = b
	}
	s.bases.mu.Unlock()
	b.once.Do(func() {
		if err := s.findBase(ctx, b, name, p); err != nil {
			b.err = &baseError{name: tagged, other: s.otherPlatform(tagged, p), error: err}
		}
	})
	return b, b.err
}

func (s *solver) findBase(ctx context.Context, b *base, name string, p v1.Platform) error {
	if strings.HasPrefix(name, layoutScheme) {
		img, err := s.pullLayout(ctx, name, p)
		if err != nil {
			return err
		}
		return s.describe(b, img)
	}
	img, err := s.localBase(name, p)
	if err != nil {
		return err
	}
	b.local = img != nil
	if img == nil {
		if img, err = s.pullBase(ctx, name, p); err != nil {
			return err
		}
	}
	return s.describe(b, img)
}

// localBase is an image that is there and need not be pulled; nil where there is none.
func (s *solver) localBase(name string, p v1.Platform) (*storage.Image, error) {
	if s.opts.Pull == image.PullAlways || s.opts.Pull == image.PullNewer {
		return nil, nil
	}
	for _, candidate := range s.localNames(name) {
		img, err := storage.Resolve(s.engine.Config, candidate)
		switch {
		case errors.Is(err, errdefs.ErrNotFound):
			s.seen.Image(candidate, "")
		case err != nil:
			return nil, err
		default:
			s.seen.Image(candidate, img.ID)
			if matches(img, p) {
				return img, nil
			}
		}
		if img, err = s.listedBase(candidate, p); img != nil || err != nil {
			return img, err
		}
	}
	if s.opts.Pull == image.PullNever {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot find image %s for %s in the local store, and --pull=never keeps it from being pulled", s.asked(name), platforms.Format(p))
	}
	return nil, nil
}

// listedBase is the image that a local list has for a platform which is not this machine's; nil where there is none.
func (s *solver) listedBase(name string, p v1.Platform) (*storage.Image, error) {
	id, err := storage.Instance(s.engine.Config, name, storage.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant})
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	img, err := storage.Resolve(s.engine.Config, id)
	if err != nil || !matches(img, p) {
		return nil, err
	}
	s.seen.Doubt() // what was seen of a list's name is this machine's image
	return img, nil
}

// otherPlatform is what the image of that name is for that is here, if that is not p; else "".
func (s *solver) otherPlatform(name string, p v1.Platform) string {
	for _, candidate := range s.localNames(name) {
		if img, err := storage.Resolve(s.engine.Config, candidate); err == nil && !matches(img, p) {
			return strings.TrimSuffix(img.OS+"/"+img.Architecture+"/"+img.Variant, "/")
		}
	}
	return ""
}

// localNames are the names under which an image may be known here: the front end has put docker.io in front of those without a registry,
// which is not what it may be known by.
func (s *solver) localNames(name string) []string {
	if asked := s.asked(name); asked != name {
		return []string{name, asked}
	}
	return []string{name}
}

// asked is an image's name as somebody wrote it: one without a registry is looked for in those that the configuration names.
func (s *solver) asked(name string) string {
	if s.whole(name) {
		return name
	}
	return familiar(name)
}

func familiar(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.FamiliarString(named)
}

// matches says whether an image is for a platform, as far as it says itself. One for an older variant of a processor is for a newer one too.
func matches(img *storage.Image, p v1.Platform) bool {
	if img.OS != "" && img.OS != p.OS || img.Architecture != "" && img.Architecture != p.Architecture {
		return false
	}
	own := platforms.Normalize(v1.Platform{OS: p.OS, Architecture: p.Architecture, Variant: img.Variant})
	if img.Variant == "" || p.Variant == "" && p.Architecture != "arm" { // of amd64, levels of which nobody asks here
		return true
	}
	return platforms.Only(p).Match(own)
}

func (s *solver) pullBase(ctx context.Context, name string, p v1.Platform) (*storage.Image, error) {
	s.seen.Doubt()
	images, err := s.images()
	if err != nil {
		return nil, err
	}
	o := image.PullOptions{
		Copying: s.opts.Registry, Policy: s.opts.Pull, DecryptionKeys: s.opts.DecryptionKeys,
		Platform: image.Platform{OS: p.OS, Arch: p.Architecture, Variant: p.Variant},
	}
	if o.Policy != image.PullNewer {
		o.Policy = image.PullAlways // for this platform it is not there
	}
	pulled, err := images.Pull(ctx, s.asked(name), o)
	if err != nil {
		return nil, err
	}
	return storage.Resolve(s.engine.Config, pulled[0].ID)
}

// describe fills in what is known of an image.
func (s *solver) describe(b *base, img *storage.Image) (err error) {
	if b.config, err = storage.ReadConfig(s.engine.Config.Storage, img.ID); err != nil {
		return err
	}
	var doc v1.Image
	if err := json.Unmarshal(b.config, &doc); err != nil {
		return errdefs.Errorf(errdefs.ErrDamaged, "cannot build on image %.12s: its configuration is damaged: %w", img.ID, err)
	}
	s.written.note(triggers(b.config))
	b.id = img.ID
	n := len(img.Layers)
	if len(doc.RootFS.DiffIDs) != n {
		return errdefs.Errorf(errdefs.ErrDamaged, "cannot build on image %.12s: it has %d layers, and its configuration tells of %d; pull it again", img.ID, n, len(doc.RootFS.DiffIDs))
	}
	for i, diffID := range doc.RootFS.DiffIDs {
		b.layers = append(b.layers, layer{ID: img.Layers[n-1-i], DiffID: diffID})
	}
	if len(img.Digests) > 0 {
		s.bases.mu.Lock() // other stages compare it with theirs
		b.digest = digest.Digest(img.Digests[0])
		s.bases.mu.Unlock()
	}
	return nil
}

// triggers are the instructions that an image has for those who build on it.
func triggers(config []byte) []byte {
	var doc struct {
		Config struct{ OnBuild []string } `json:"config"`
	}
	_ = json.Unmarshal(config, &doc) // the front end says it better
	return []byte(strings.Join(doc.Config.OnBuild, "\n"))
}

// platformOf is an operation's platform; this machine's where it has none.
func platformOf(p *pb.Platform) v1.Platform {
	if p == nil {
		return Here()
	}
	return platforms.Normalize(v1.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion})
}
