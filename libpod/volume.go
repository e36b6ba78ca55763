package libpod

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/record"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Volume is a directory that outlives containers: <graphroot>/moss/volumes/NAME.
type Volume struct {
	// Format is what it takes to understand this: package record.
	Format     int               `json:"format,omitempty"`
	Name       string            `json:"Name"`
	Driver     string            `json:"Driver"` // local
	Mountpoint string            `json:"Mountpoint"`
	CreatedAt  time.Time         `json:"CreatedAt"`
	Labels     map[string]string `json:"Labels"`
	Scope      string            `json:"Scope"` // local
	Options    map[string]string `json:"Options"`
	Anonymous  bool              `json:"Anonymous,omitempty"`
	// Damaged says that the description could not be understood: no container uses the volume then, which may be another directory than its own.
	Damaged error `json:"-"`
}

const (
	volumeFile    = "volume.json"
	volumeData    = state.VolumeData
	volumeFilling = "filling" // while a container fills it
)

func (e *Engine) volumeDir(name string) string { return e.Store.VolumeDir(name) }

// CreateVolume adds an empty volume; an empty name gets a random one. ErrConflict says that the name is taken.
func (e *Engine) CreateVolume(v Volume) (*Volume, error) {
	if v.Name == "" {
		v.Name = randomHex()
		v.Anonymous = true
	}
	if err := names.Validate(v.Name); err != nil {
		return nil, err
	}
	source, err := spec.ParseVolumeSource(v.Options)
	if err != nil {
		return nil, err
	}
	dir := e.volumeDir(v.Name)
	v.Driver, v.Scope, v.CreatedAt = "local", "local", time.Now()
	v.Mountpoint = filepath.Join(dir, volumeData)
	staging := e.volumeDir("." + randomHex())
	err = fillVolume(staging, dir, &v, source)
	if err == nil {
		err = sys.Sync(filepath.Join(dir, volumeFile), dir, filepath.Dir(dir))
		if err == nil || errors.Is(err, os.ErrNotExist) { // it was made, and somebody may have removed it already
			return &v, nil
		}
		err = errors.Join(err, os.Rename(dir, staging))
	}
	err = errors.Join(err, os.RemoveAll(staging))
	if _, there := os.Lstat(dir); there == nil || errors.Is(err, os.ErrExist) { // it may have been removed meanwhile
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot make volume %q: it exists already", v.Name)
	}
	return nil, errdefs.NoSpace(fmt.Errorf("cannot make volume %q: %w", v.Name, err))
}

// fillVolume makes a volume in staging, whose lock keeps others from taking it for a left-over, and moves it to dir.
func fillVolume(staging, dir string, v *Volume, source spec.VolumeSource) error {
	if err := os.MkdirAll(staging, 0o700); err != nil {
		return err
	}
	lock, err := sys.LockDir(staging, false)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	files := filepath.Join(staging, volumeData)
	if err := os.Mkdir(files, 0o700); err != nil {
		return err
	}
	// The container's users must be able to enter it, as Podman's may; the store around it is 0700.
	if err := os.Chmod(files, 0o755); err != nil {
		return err
	}
	if source.UID != 0 || source.GID != 0 {
		if err := os.Chown(files, source.UID, source.GID); err != nil {
			return err
		}
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(staging, volumeFile), data, 0o600); err != nil {
		return err
	}
	return os.Rename(staging, dir) // refused where dir is there: it is never empty
}

// Volume reads one volume. A damaged description hides nothing: what the directory tells is shown.
func (e *Engine) Volume(name string) (*Volume, error) {
	dir := e.volumeDir(name)
	v := &Volume{Name: name, Driver: "local", Scope: "local", Mountpoint: filepath.Join(dir, volumeData)}
	if names.Validate(name) != nil {
		return nil, state.NoVolume(name)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, state.NoVolume(name)
		}
		return nil, fmt.Errorf("cannot look at volume %q: %w", name, err)
	}
	data, err := sys.ReadSmall(filepath.Join(dir, volumeFile))
	if err == nil {
		if err = json.Unmarshal(data, v); err != nil {
			err = record.Explain(data, err)
		}
	}
	if err == nil {
		err = record.Check(v.Format)
	}
	if err != nil {
		*v = Volume{Driver: "local", Scope: "local", CreatedAt: info.ModTime()}
	}
	switch {
	case errors.Is(err, errdefs.ErrNewer):
		v.Damaged = fmt.Errorf("cannot use volume %q: %w", name, err)
	case err != nil:
		v.Damaged = errdefs.Errorf(errdefs.ErrDamaged, "cannot read the description of volume %q: %w; files of its own are in %s", name, err, filepath.Join(dir, volumeData))
	}
	v.Name, v.Mountpoint = name, filepath.Join(dir, volumeData) // the store may have been moved
	return v, nil
}

// volumeSource is what a volume is mounted from.
func (e *Engine) volumeSource(name string) (spec.VolumeSource, error) {
	v, err := e.Volume(name)
	if err == nil {
		err = v.Damaged
	}
	if err != nil {
		return spec.VolumeSource{}, err
	}
	source, err := spec.ParseVolumeSource(v.Options)
	if err != nil || source.Memory {
		return source, err
	}
	if source.Dir == "" {
		source.Dir = v.Mountpoint
		return source, nil
	}
	info, err := os.Stat(source.Dir)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		err = errdefs.Errorf(errdefs.ErrInvalid, "cannot mount volume %q, which is %s: %w", name, source.Dir, onHost(err))
	}
	return source, err
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

func randomHex() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

func shorts(ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = names.Short(id)
	}
	return out
}
