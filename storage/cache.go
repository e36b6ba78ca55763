package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/sys"
)

// cacheVersion changes with the shape of what is cached.
const cacheVersion = 3

// registriesEnv redirects registries.conf and so belongs into the key of what is cached of it.
const registriesEnv = "CONTAINERS_REGISTRIES_CONF"

// cached is one remembered answer of Resolve: a file in GraphRoot/moss/cache, safe to delete. Errors
// of reading and writing it are ignored, since the answer can always be had without it.
//
//easyjson:json
type cached struct {
	path string

	Version int `json:"v"`
	// Candidates is what the name means by the files NameSources, and Image what was found by that and by the files Sources.
	Candidates  []string `json:"names,omitempty"`
	NameSources []source `json:"nameSrc,omitempty"`
	Sources     []source `json:"src"`
	Image       *Image   `json:"img"`
}

// cacheEntry is where the answer for name is remembered under this configuration.
func cacheEntry(cfg *config.Config, name string) *cached {
	hash := sha256.New()
	for _, part := range []string{name, os.Getenv(registriesEnv), cfg.Storage.ImageStore} {
		hash.Write([]byte(part + "\x00"))
	}
	for _, store := range cfg.Storage.AdditionalStores {
		hash.Write([]byte(store + "\x00"))
	}
	file := hex.EncodeToString(hash.Sum(nil)[:16]) + ".json"
	return &cached{path: filepath.Join(CacheDir(cfg.Storage), file)}
}

// read reads what is remembered, if anything.
func (c *cached) read() {
	path := c.path
	data, err := os.ReadFile(path)
	if err != nil || c.UnmarshalJSON(data) != nil || c.Version != cacheVersion {
		*c = cached{path: path}
	}
}

// image is the remembered image, or nil where there is none or a source has changed.
func (c *cached) image() *Image {
	if c.Image == nil || len(c.Sources) == 0 || !fresh(c.NameSources) || !fresh(c.Sources) {
		return nil
	}
	return c.Image
}

// candidates are what the name means, remembered or computed.
func (c *cached) candidates(cfg *config.Config, name string) ([]string, error) {
	if len(c.Candidates) > 0 && fresh(c.NameSources) {
		return c.Candidates, nil
	}
	var err error
	c.NameSources = nameSources(cfg) // as they were before they are read
	c.Candidates, err = Candidates(cfg, name)
	return c.Candidates, err
}

// write remembers what was found, whole or not at all.
func (c *cached) write() {
	c.Version = cacheVersion
	data, err := c.MarshalJSON()
	if err != nil {
		return
	}
	_ = sys.WriteWhole(c.path, sys.Bytes(data))
}
