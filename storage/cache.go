package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/pkg/config"
)

// cacheVersion changes with the shape of what is cached.
const cacheVersion = 1

// registriesEnv redirects registries.conf and so belongs into the key of what is cached of it.
const registriesEnv = "CONTAINERS_REGISTRIES_CONF"

// cached is one remembered answer of Resolve: a file in GraphRoot/moss/cache, safe to delete. Errors
// of reading and writing it are ignored, since the answer can always be had without it.
type cached struct {
	path string

	Version int      `json:"v"`
	Sources []source `json:"src"`
	Image   *Image   `json:"img"`
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

// read is the remembered image, or nil where there is none or a source has changed.
func (c *cached) read() *Image {
	data, err := os.ReadFile(c.path)
	if err != nil || json.Unmarshal(data, c) != nil {
		return nil
	}
	if c.Version != cacheVersion || c.Image == nil || len(c.Sources) == 0 || !fresh(c.Sources) {
		return nil
	}
	return c.Image
}

// write remembers an image, whole or not at all.
func (c *cached) write(img *Image, sources []source) {
	c.Version, c.Sources, c.Image = cacheVersion, sources, img
	data, err := json.Marshal(c)
	if err != nil {
		return
	}
	if os.MkdirAll(filepath.Dir(c.path), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(c.path), ".tmp-")
	if err != nil {
		return
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err != nil || closeErr != nil || os.Rename(f.Name(), c.path) != nil {
		_ = os.Remove(f.Name())
	}
}
