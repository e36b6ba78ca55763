package cli

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/storage"
)

// fromAncestor matches the containers of an image, and of images that were built on it. Images are looked up once, and only when a container's
// own does not match; those that cannot be read match nothing.
func fromAncestor(engine *libpod.Engine) func(value string) (func(*state.Container) bool, error) {
	return func(value string) (func(*state.Container) bool, error) {
		var related map[string]bool
		return func(c *state.Container) bool {
			if namesImage(value, c.Spec.Image.ID, c.Spec.Image.Name) {
				return true
			}
			if related == nil {
				related = descendants(engine.Config.Storage, value)
			}
			return related[c.Spec.Image.ID]
		}, nil
	}
}

// namesImage says whether a word is a name of an image, whole or without what need not be written, or the beginning of its id.
func namesImage(word, id string, names ...string) bool {
	const shortest = 4
	if hex := strings.TrimPrefix(word, "sha256:"); len(hex) >= shortest && strings.HasPrefix(id, hex) {
		return true
	}
	return slices.ContainsFunc(names, func(name string) bool {
		last := name[strings.LastIndex(name, "/")+1:]
		base, _, tagged := strings.Cut(last, ":")
		return word == name || word == last || tagged && (word == base || word == name[:strings.LastIndex(name, ":")])
	})
}

// descendants are the ids of the images that a word names, and of those that were built on them.
func descendants(s config.Storage, word string) map[string]bool {
	found := map[string]bool{}
	all, err := storage.ListImages(s)
	if err != nil {
		return found
	}
	for _, ancestor := range all {
		if !namesImage(word, ancestor.ID, ancestor.Names...) {
			continue
		}
		for _, img := range all {
			if img.ID == ancestor.ID || buildsOn(s, &img, &ancestor) {
				found[img.ID] = true
			}
		}
	}
	return found
}

// buildsOn says whether an image has the layers of another and its history, and more.
func buildsOn(s config.Storage, img, on *storage.Summary) bool {
	more := len(img.Layers) - len(on.Layers) // the topmost is the first
	if len(on.Layers) == 0 || more < 0 || img.Layers[more] != on.Layers[0] {
		return false
	}
	had, has := history(s, on.ID), history(s, img.ID)
	return len(has) >= len(had) && slices.Equal(has[:len(had)], had) && (more > 0 || len(has) > len(had))
}

// history is what an image tells of how it was made; nil where it says nothing.
func history(s config.Storage, id string) []string {
	var doc struct {
		History []struct {
			By string `json:"created_by"`
		} `json:"history"`
	}
	data, err := storage.ReadConfig(s, id)
	if err != nil || json.Unmarshal(data, &doc) != nil {
		return nil
	}
	var by []string
	for _, step := range doc.History {
		by = append(by, step.By)
	}
	return by
}
