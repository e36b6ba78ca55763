package libpod

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/storage"
)

// Usage is what everything takes on disk, in bytes.
type Usage struct {
	Images     *storage.Usage
	Containers []ContainerUsage
	Volumes    []VolumeUsage
}

// ContainerUsage is what a container's own layer and log take.
type ContainerUsage struct {
	*state.Container
	Size int64
}

// VolumeUsage is what a volume takes, and how many containers mount it.
type VolumeUsage struct {
	*Volume
	Users int
	Size  int64
}

// Usage adds up what is on disk.
func (e *Engine) Usage() (*Usage, error) {
	containers, err := e.List()
	if err != nil {
		return nil, err
	}
	u := &Usage{}
	for _, c := range containers {
		size, err := treeSize(c.Dir)
		if err != nil {
			return nil, err
		}
		u.Containers = append(u.Containers, ContainerUsage{c, size})
	}
	used := imagesOf(containers)
	if u.Images, err = storage.DiskUsage(e.Config.Storage, func(id string) bool { return len(used[id]) > 0 }); err != nil {
		return nil, err
	}
	users, err := e.Store.VolumeUsers()
	if err != nil {
		return nil, err
	}
	volumes, err := e.Volumes()
	if err != nil {
		return nil, err
	}
	for _, v := range volumes {
		size, err := treeSize(v.Mountpoint)
		if err != nil {
			return nil, err
		}
		u.Volumes = append(u.Volumes, VolumeUsage{v, len(users[v.Name]), size})
	}
	return u, nil
}

// Size is what a container's own layer takes, and that with its image, in bytes.
func (e *Engine) Size(c *state.Container) (own, all int64, err error) {
	own, err = treeSize(filepath.Join(c.Dir, upperDir))
	all = own
	if img, imgErr := storage.Resolve(e.Config, c.Spec.Image.ID); imgErr == nil { // one that was removed by force counts nothing
		all += img.Size
	}
	return own, all, err
}

// ImageUsers are the containers made from an image, or that mount it, by its id: what keeps it from being removed.
func (e *Engine) ImageUsers() (map[string][]string, error) {
	containers, err := e.List()
	if err != nil {
		return nil, err
	}
	return imagesOf(containers), nil
}

func imagesOf(containers []*state.Container) map[string][]string {
	users := map[string][]string{}
	for _, c := range containers {
		for _, id := range c.Spec.ImageIDs() {
			users[id] = append(users[id], c.Spec.ID)
		}
	}
	return users
}

// treeSize is what the files below a directory take, hard links counted once. Directories count nothing, nor do files that vanish
// meanwhile.
func treeSize(dir string) (int64, error) {
	var size int64
	seen := map[[2]uint64]bool{}
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		key := [2]uint64{st.Dev, st.Ino}
		if st.Nlink > 1 && seen[key] {
			return nil
		}
		seen[key] = true
		size += st.Blocks * 512 // stat(2): blocks of 512 bytes
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("cannot add up %s: %w", dir, err)
	}
	return size, nil
}
