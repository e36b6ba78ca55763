package build

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/storage"
)

// The types of what the cache has, as docker buildx calls them.
const (
	TypeLayer  = "regular"
	TypeMount  = "exec.cachemount"
	TypeSource = "source"
	TypeLocal  = "source.local" // what is known of the files of a context
)

// Entry is something that the cache has: the layer of a step, the directory of a cache mount, something downloaded.
type Entry struct {
	ID          string
	Parent      string
	Type        string
	Description string
	Size        int64 // bytes
	Created     time.Time
	LastUsed    time.Time
	InUse       bool // by a build that runs
	Shared      bool // an image has the layer: it goes with the image

	records []string // files that say of a layer what it is the result of, or that are all there is
	dir     string   // of anything else
	depth   int      // how many layers are below
}

// Usage lists what the cache has.
func Usage(engine *libpod.Engine) ([]Entry, error) { return openCache(engine).usage(engine) }

// directoryKinds are the cache's directories of directories.
var directoryKinds = []struct{ dir, name string }{{"mounts", TypeMount}, {"sources/trees", TypeSource}, {"sources/git", TypeSource}}

func openCache(engine *libpod.Engine) *cache { return &cache{dir: cacheDir(engine)} }

func (c *cache) usage(engine *libpod.Engine) ([]Entry, error) {
	since, err := c.since()
	if err != nil {
		return nil, err
	}
	all, err := c.layers(engine)
	if err != nil {
		return nil, err
	}
	for _, kind := range directoryKinds {
		more, err := c.directories(kind.dir, kind.name)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	known, err := c.contexts()
	if err != nil {
		return nil, err
	}
	all = append(all, known...)
	for i := range all {
		all[i].InUse = !all[i].LastUsed.Before(since)
	}
	return all, nil
}

// layers are those that steps have made, with the records of them.
func (c *cache) layers(engine *libpod.Engine) ([]Entry, error) {
	kept, err := storage.KeptLayers(engine.Config.Storage)
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	all := make([]Entry, len(kept))
	for i, k := range kept {
		at[k.ID] = i
		all[i] = Entry{ID: k.ID, Parent: k.Parent, Type: TypeLayer, Size: k.Size, Created: k.Created, LastUsed: k.Created, Shared: k.Used}
	}
	err = c.eachRecord(func(path string, r *Record, used time.Time) {
		i, ok := at[r.Layers.top()]
		if !ok {
			return
		}
		e := &all[i]
		e.records = append(e.records, path)
		e.Description, e.depth = r.Name, len(r.Layers)
		if used.After(e.LastUsed) {
			e.LastUsed = used
		}
	})
	return all, err
}

// eachRecord shows the records of steps, but for damaged ones.
func (c *cache) eachRecord(show func(path string, r *Record, used time.Time)) error {
	return ignoreMissing(filepath.WalkDir(filepath.Join(c.dir, "steps"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" {
			return ignoreMissing(err)
		}
		data, err := os.ReadFile(path)
		info, infoErr := entry.Info()
		if err = errors.Join(err, infoErr); err != nil {
			return ignoreMissing(err)
		}
		r := &Record{}
		if json.Unmarshal(data, r) == nil {
			show(path, r, info.ModTime())
		}
		return nil
	}))
}

// directories are those below one of the cache's, which have their locks beside them or in themselves.
func (c *cache) directories(below, kind string) ([]Entry, error) {
	parent := filepath.Join(c.dir, below)
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var all []Entry
	for _, entry := range entries {
		dir := filepath.Join(parent, entry.Name())
		info, err := entry.Info()
		if err != nil || !entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			continue // it is being made, or gone
		}
		e := Entry{ID: entry.Name(), Type: kind, Description: below, Created: info.ModTime(), LastUsed: info.ModTime(), dir: dir}
		if lock, err := os.Stat(dir + ".lock"); err == nil {
			e.LastUsed = lock.ModTime()
		}
		if e.Size, err = diskUsage(dir); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// contexts are the digests that are remembered of the files of contexts. A build that runs writes its own anew at its end.
func (c *cache) contexts() ([]Entry, error) {
	dir := filepath.Join(c.dir, "contexts")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var all []Entry
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), ".") {
			continue // it is being made, or gone
		}
		all = append(all, Entry{
			ID: entry.Name(), Type: TypeLocal, Description: "digests of the files of a build context", Size: info.Sys().(*syscall.Stat_t).Blocks * 512,
			Created: info.ModTime(), LastUsed: info.ModTime(), records: []string{filepath.Join(dir, entry.Name())},
		})
	}
	return all, nil
}

// diskUsage is what the files below a directory take on disk, in bytes.
func diskUsage(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return ignoreMissing(err)
		}
		info, err := entry.Info()
		if err != nil {
			return ignoreMissing(err)
		}
		size += info.Sys().(*syscall.Stat_t).Blocks * 512
		return nil
	})
	return size, ignoreMissing(err)
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
