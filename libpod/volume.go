package libpod

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Volume is a directory that outlives containers: <graphroot>/moss/volumes/NAME.
type Volume struct {
	Name       string            `json:"Name"`
	Driver     string            `json:"Driver"` // local
	Mountpoint string            `json:"Mountpoint"`
	CreatedAt  time.Time         `json:"CreatedAt"`
	Labels     map[string]string `json:"Labels"`
	Scope      string            `json:"Scope"` // local
	Options    map[string]string `json:"Options"`
	Anonymous  bool              `json:"Anonymous,omitempty"`
}

const (
	volumeFile = "volume.json"
	volumeData = "_data"
)

func (e *Engine) volumeDir(name string) string { return filepath.Join(e.Store.Dir, "volumes", name) }

// CreateVolume adds an empty volume; an empty name gets a random one. ErrConflict says that the name is taken.
func (e *Engine) CreateVolume(v Volume) (*Volume, error) {
	if v.Name == "" {
		v.Name = randomHex()
		v.Anonymous = true
	}
	if err := names.Validate(v.Name); err != nil {
		return nil, err
	}
	dir := e.volumeDir(v.Name)
	v.Driver, v.Scope, v.CreatedAt = "local", "local", time.Now()
	v.Mountpoint = filepath.Join(dir, volumeData)
	staging := e.volumeDir("." + randomHex())
	err := fillVolume(staging, &v)
	if err == nil {
		err = os.Rename(staging, dir) // refused where dir is there: it is never empty
	}
	if err == nil {
		return &v, sys.Sync(filepath.Join(dir, volumeFile), dir, filepath.Dir(dir))
	}
	err = errors.Join(err, os.RemoveAll(staging))
	if _, there := os.Lstat(dir); there == nil {
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot make volume %q: it exists already", v.Name)
	}
	return nil, errdefs.NoSpace(fmt.Errorf("cannot make volume %q: %w", v.Name, err))
}

func fillVolume(dir string, v *Volume) error {
	if err := os.MkdirAll(filepath.Join(dir, volumeData), 0o700); err != nil {
		return err
	}
	// The container's users must be able to enter it, as Podman's may; the store around it is 0700.
	if err := os.Chmod(filepath.Join(dir, volumeData), 0o755); err != nil {
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, volumeFile), data, 0o600)
}

// Volume reads one volume. A damaged description hides nothing: what the directory tells is shown.
func (e *Engine) Volume(name string) (*Volume, error) {
	dir := e.volumeDir(name)
	v := &Volume{Name: name, Driver: "local", Scope: "local", Mountpoint: filepath.Join(dir, volumeData)}
	if names.Validate(name) != nil {
		return nil, noVolume(name)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, noVolume(name)
		}
		return nil, fmt.Errorf("cannot look at volume %q: %w", name, err)
	}
	data, err := os.ReadFile(filepath.Join(dir, volumeFile))
	if err != nil || json.Unmarshal(data, v) != nil {
		v.CreatedAt = info.ModTime()
	}
	v.Name, v.Mountpoint = name, filepath.Join(dir, volumeData) // the store may have been moved
	return v, nil
}

func noVolume(name string) error {
	return errdefs.Errorf(errdefs.ErrNotFound, "no such volume: %q; moss volume ls lists them", name)
}

// Volumes are all volumes, by name.
func (e *Engine) Volumes() ([]*Volume, error) {
	entries, err := os.ReadDir(filepath.Join(e.Store.Dir, "volumes"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot list the volumes: %w", err)
	}
	var volumes []*Volume
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if v, err := e.Volume(entry.Name()); err == nil {
			volumes = append(volumes, v)
		}
	}
	return volumes, nil
}

// VolumeUsers are the containers that mount each volume, by the volume's name.
func (e *Engine) VolumeUsers() (map[string][]string, error) {
	containers, err := e.List()
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, c := range containers {
		for _, m := range c.Spec.Mounts.Mounts {
			if m.Type == spec.MountVolume {
				users[m.Source] = append(users[m.Source], c.Spec.ID)
			}
		}
	}
	return users, nil
}

// RemoveVolume removes a volume and what is in it. With force its containers are removed before.
func (e *Engine) RemoveVolume(ctx Context, name string, force bool) error {
	if _, err := e.Volume(name); err != nil {
		return err
	}
	users, err := e.VolumeUsers()
	if err != nil {
		return err
	}
	if used := users[name]; len(used) > 0 && !force {
		return errdefs.Errorf(errdefs.ErrConflict, "cannot remove volume %q: it is used by container %s; remove that first, or both with -f", name, strings.Join(shorts(used), ", "))
	}
	for _, id := range users[name] {
		if err := e.Remove(ctx, id, RemoveOptions{Force: true}); err != nil && !errors.Is(err, errdefs.ErrNotFound) {
			return err
		}
	}
	return e.deleteVolume(name)
}

// deleteVolume makes the volume not be, then removes its files.
func (e *Engine) deleteVolume(name string) error {
	trash := e.volumeDir("." + randomHex())
	if err := os.Rename(e.volumeDir(name), trash); err != nil {
		return fmt.Errorf("cannot remove volume %q: %w", name, err)
	}
	return os.RemoveAll(trash)
}

// PruneVolumes removes the volumes that no container mounts and match allows, and returns them.
func (e *Engine) PruneVolumes(match func(*Volume) bool) ([]*Volume, error) {
	volumes, err := e.Volumes()
	if err != nil {
		return nil, err
	}
	users, err := e.VolumeUsers()
	if err != nil {
		return nil, err
	}
	unused := slices.DeleteFunc(volumes, func(v *Volume) bool { return len(users[v.Name]) > 0 || !match(v) })
	for _, v := range unused {
		if err := e.deleteVolume(v.Name); err != nil {
			return nil, err
		}
	}
	return unused, nil
}

// useVolumes makes the volumes that a container's description names and that are not there, and gives
// its anonymous ones their names.
func (e *Engine) useVolumes(c *spec.Container) error {
	for i := range c.Mounts.Mounts {
		m := &c.Mounts.Mounts[i]
		if m.Type != spec.MountVolume {
			continue
		}
		if m.Source == "" {
			m.Source, m.Anonymous = randomHex(), true
		} else if _, err := os.Lstat(e.volumeDir(m.Source)); err == nil {
			continue
		}
		_, err := e.CreateVolume(Volume{Name: m.Source, Anonymous: m.Anonymous})
		if err != nil && !errors.Is(err, errdefs.ErrConflict) {
			return err
		}
	}
	return nil
}

func randomHex() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

func shorts(ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = shortID(id)
	}
	return out
}

func shortID(id string) string { return id[:min(12, len(id))] }
