// Package oci is the OCI runtime that Moss is by itself. Containers are set up by the launcher of libpod/runtime and kept in a
// directory each, so that create, start, kill and delete may be processes of their own: the runtime-spec's runtime.md, and
// for what it leaves open the habits of runc, which its callers rely on.
//
// Nothing of a configuration is ignored: what the launcher cannot do is refused.
package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Runtime is where containers are kept, and what they are made with. Its caller is root of the user namespace that they are in.
type Runtime struct {
	// Root has a directory for each container; it is made when it is not there.
	Root string
	// Program is the path of the program that becomes a container's first process: see runtime.New.
	Program string
}

// Files in a container's directory.
const (
	recordFile = "state.json"
	filterFile = "seccomp"
)

// container is a container's directory and what is written there.
type container struct {
	dir string
	record
}

// record is what is known of a container, whoever asks. It is written before anything of the container exists, and once more
// when its first process does.
type record struct {
	ID          string            `json:"id"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Owner       string            `json:"owner,omitempty"` // name of the user
	Annotations map[string]string `json:"annotations,omitempty"`
	Cgroup      string            `json:"cgroup,omitempty"`
	OwnPIDs     bool              `json:"ownPIDs,omitempty"` // the first process is PID 1 of a namespace of the container's
	Filtered    bool              `json:"filtered,omitempty"`
	Process     *specs.Process    `json:"process"`
	Hooks       *specs.Hooks      `json:"hooks,omitempty"`
	Init        sys.Process       `json:"init"`
}

// validID keeps an id from being a path. Runtimes agree on these characters.
var validID = regexp.MustCompile(`^[A-Za-z0-9_+.-]+$`)

// dir is the directory of a container.
func (r *Runtime) dir(id string) (string, error) {
	if !validID.MatchString(id) || id == "." || id == ".." || len(id) > 255 {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot call a container %q: an id has letters, digits and _ + . - only", id)
	}
	return filepath.Join(r.Root, id), nil
}

// claim makes the directory of a new container, and locks it: who finds it locked knows that the container is being created.
func (r *Runtime) claim(id string) (*container, *sys.Lock, error) {
	dir, err := r.dir(id)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(r.Root, 0o700); err != nil {
		return nil, nil, fmt.Errorf("cannot make the directory of containers: %w", err)
	}
	err = os.Mkdir(dir, 0o700)
	if errors.Is(err, os.ErrExist) {
		return nil, nil, errdefs.Errorf(errdefs.ErrConflict, "cannot create container %s: container with given ID already exists", id)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot create container %s: %w", id, err)
	}
	lock, err := sys.LockDir(dir, false)
	return &container{dir: dir}, lock, err
}

// open reads a container. One that was never written down, because its creator was killed, has nothing but its directory.
func (r *Runtime) open(id string) (*container, error) {
	dir, err := r.dir(id)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot find container %s: container does not exist", id)
	}
	c := &container{dir: dir, record: record{ID: id}}
	b, err := os.ReadFile(filepath.Join(dir, recordFile))
	if errors.Is(err, os.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &c.record)
	}
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot read the state of container %s: %w; runtime delete --force removes it", id, err)
	}
	return c, nil
}

// write writes the record down, whole or not at all.
func (c *container) write() error {
	b, err := json.Marshal(&c.record)
	if err != nil {
		return err
	}
	name := filepath.Join(c.dir, recordFile)
	if err := os.WriteFile(name+".new", b, 0o600); err != nil {
		return fmt.Errorf("cannot write the state of container %s: %w", c.ID, err)
	}
	return os.Rename(name+".new", name)
}

// filter is the path of the container's seccomp filter, "" for none.
func (c *container) filter() string {
	if !c.Filtered {
		return ""
	}
	return filepath.Join(c.dir, filterFile)
}

// State is what `state` prints: runtime.md, "State", and beyond it what runc does.
type State struct {
	specs.State
	Rootfs  string    `json:"rootfs"`
	Created time.Time `json:"created"`
	Owner   string    `json:"owner"`
}

// State looks at a container.
func (r *Runtime) State(id string) (*State, error) {
	c, err := r.open(id)
	if err != nil {
		return nil, err
	}
	return c.state(c.status()), nil
}

// List looks at all containers. One that cannot be read hides no other.
func (r *Runtime) List() ([]*State, error) {
	entries, err := os.ReadDir(r.Root)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot list containers: %w", err)
	}
	var list []*State
	var damaged []error
	for _, e := range entries {
		s, err := r.State(e.Name())
		switch {
		case errors.Is(err, errdefs.ErrNotFound): // deleted meanwhile
		case err != nil:
			damaged = append(damaged, err)
		default:
			list = append(list, s)
		}
	}
	return list, errors.Join(damaged...)
}

// Living is the process id of a container, 0 when none runs.
func (r *Runtime) Living() int {
	list, _ := r.List() // of those that can be read
	for _, s := range list {
		if s.Pid != 0 {
			return s.Pid
		}
	}
	return 0
}

func (c *container) state(status specs.ContainerState) *State {
	s := &State{
		State:  specs.State{Version: specs.Version, ID: c.ID, Status: status, Bundle: c.Bundle, Annotations: c.Annotations},
		Rootfs: c.Rootfs, Created: c.Created, Owner: c.Owner,
	}
	if status != specs.StateStopped {
		s.Pid = c.Init.Pid
	}
	return s
}

func (c *container) status() specs.ContainerState {
	switch {
	case c.awaitsStart() && c.locked(), c.Init.Pid == 0 && c.locked():
		return specs.StateCreating
	case c.awaitsStart():
		return specs.StateCreated
	case c.Init.Alive():
		return specs.StateRunning
	}
	return specs.StateStopped
}

func (c *container) awaitsStart() bool { return c.Init.Alive() && runtime.AwaitsStart(c.dir) }

// locked says that somebody is creating or deleting the container.
func (c *container) locked() bool {
	lock, ok, err := sys.TryLockDir(c.dir)
	if err != nil || !ok {
		return err == nil
	}
	lock.Unlock()
	return false
}
