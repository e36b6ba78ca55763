package libpod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/sys"
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
// meanwhile. A container may be writing in there: links lead nowhere.
func treeSize(dir string) (int64, error) {
	top, err := os.OpenFile(dir, os.O_RDONLY|sys.ODirectory, 0)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("cannot add up %s: %w", dir, err)
	}
	s := sizes{seen: map[[2]uint64]bool{}}
	if err := errors.Join(s.add(top, 0), top.Close()); err != nil {
		return 0, fmt.Errorf("cannot add up %s: %w", dir, err)
	}
	return s.sum, nil
}

// deepest is how many directories in each other are looked into. No path has more of them (PATH_MAX is 4096), but containers can make more.
const deepest = 2048

// sizes adds up files.
type sizes struct {
	sum  int64
	seen map[[2]uint64]bool // files with several names, by device and inode
}

func (s *sizes) add(dir *os.File, depth int) error {
	entries, err := dir.ReadDir(-1)
	if err != nil && !errors.Is(err, syscall.ENOENT) { // it may have been removed just now
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			err = s.below(dir, e.Name(), depth)
		} else {
			err = s.file(dir, e.Name())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// below adds up a directory, unless it is something else by now, or so deep that the process can open no more.
func (s *sizes) below(dir *os.File, name string, depth int) error {
	if depth == deepest {
		return nil
	}
	sub, err := sys.OpenIn(dir, name, os.O_RDONLY|sys.ODirectory|sys.ONoFollow, sys.NoLinks)
	for _, passing := range []error{syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP, syscall.EMFILE} {
		if errors.Is(err, passing) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return errors.Join(s.add(sub, depth+1), sub.Close())
}

func (s *sizes) file(dir *os.File, name string) error {
	st, err := sys.StatAt(dir, name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if id := [2]uint64{st.Dev, st.Ino}; st.Nlink > 1 {
		if s.seen[id] {
			return nil
		}
		s.seen[id] = true
	}
	s.sum += st.Blocks * 512 // stat(2): blocks of 512 bytes
	return nil
}
