package build

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// What is remembered travels as an image of the OCI's: its layers, and in its configuration a field that says which steps gave them. In an image
// that was built with an inline cache it is a field beside all the others.

// cacheField is the name of the field.
const cacheField = "moss.buildcache.v0"

// sharedCache is the field's value. A layer is named by its place among the image's.
type sharedCache struct {
	Steps []sharedStep `json:"steps"`
}

// sharedStep is the result of a step.
type sharedStep struct {
	Keys   []string      `json:"keys"`
	Name   string        `json:"name"`
	Layers []sharedLayer `json:"layers"`
	Parent int           `json:"parent"` // how many of them its input had
}

type sharedLayer struct {
	Index   int       `json:"index"`
	Created time.Time `json:"created,omitzero"`
}

// maxSteps bounds what is read of a cache.
const maxSteps = 100_000

// used collects the steps that a build has come by.
type used map[string]*Record

// note remembers a step of this build.
func (s *solver) note(r *Record, keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used == nil {
		s.used = used{}
	}
	for _, key := range keys {
		if key != "" {
			s.used[key] = r
		}
	}
}

// usedKeys are all keys of the build's steps, in order.
func (s *solver) usedKeys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.used))
}

// steps are those of the build, with all keys of each, in an order that is always the same. Those whose layers do not fit are left out.
func (s *solver) steps(place func(snapshot) []sharedLayer) []sharedStep {
	s.mu.Lock()
	defer s.mu.Unlock()
	byLayers := map[string]*sharedStep{}
	for _, key := range slices.Sorted(maps.Keys(s.used)) {
		r := s.used[key]
		layers := place(r.Layers)
		if len(layers) != len(r.Layers) {
			continue
		}
		id := r.Layers.content() + r.Name
		if byLayers[id] == nil {
			byLayers[id] = &sharedStep{Name: r.Name, Layers: layers, Parent: r.Parent}
		}
		byLayers[id].Keys = append(byLayers[id].Keys, key)
	}
	var all []sharedStep
	for _, step := range byLayers {
		all = append(all, *step)
	}
	slices.SortFunc(all, func(a, b sharedStep) int { return cmp.Compare(a.Keys[0], b.Keys[0]) })
	return all
}

// placeIn finds a snapshot's layers in a list.
func placeIn(diffIDs []digest.Digest) func(snapshot) []sharedLayer {
	at := map[digest.Digest]int{}
	for i, d := range slices.Backward(diffIDs) {
		at[d] = i
	}
	return func(layers snapshot) []sharedLayer {
		var all []sharedLayer
		for _, l := range layers {
			i, ok := at[l.DiffID]
			if !ok {
				return nil
			}
			all = append(all, sharedLayer{Index: i, Created: l.Created})
		}
		return all
	}
}

// readCache reads the field. What of it makes no sense is left out.
func readCache(config []byte, image *v1.Image) (map[string]sharedStep, error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(config, &doc); err != nil {
		return nil, err
	}
	var shared sharedCache
	if text := doc[cacheField]; text != nil {
		if err := json.Unmarshal(text, &shared); err != nil {
			return nil, err
		}
	}
	all := map[string]sharedStep{}
	for _, step := range shared.Steps[:min(len(shared.Steps), maxSteps)] {
		if !step.fits(len(image.RootFS.DiffIDs)) {
			continue
		}
		for _, key := range step.Keys {
			if isKey(key) {
				all[key] = step
			}
		}
	}
	return all, nil
}

func (s *sharedStep) fits(layers int) bool {
	outside := func(l sharedLayer) bool { return l.Index < 0 || l.Index >= layers }
	return len(s.Layers) > 0 && len(s.Layers) <= layers && s.Parent >= 0 && s.Parent <= len(s.Layers) && !slices.ContainsFunc(s.Layers, outside)
}

func isKey(key string) bool {
	sum, err := hex.DecodeString(key)
	return err == nil && len(sum) == digest.Canonical.Size()
}
