// Package state keeps the records of containers on disk: one directory each, replaced atomically, changed
// under one flock each, read without any. Transact is the only way to change a record.
package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/record"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Names of a container's files, in its directory.
const (
	specFile  = "spec.json"
	stateFile = "state.json"
	lockFile  = "lock"
	// LayerDir is the overlay's work directory. Whoever has the overlay mounted has this locked.
	LayerDir = "work"
	// UpperDir is the overlay's upper directory: what the container has changed.
	UpperDir = "diff"
	// VolumeData is what containers see of a volume, in its directory.
	VolumeData = "_data"
	// hidden begins the name of a directory that is not, or no longer, a container.
	hidden = "."
)

// Store is the containers of one graph root. Its directories are made when the first container is.
type Store struct {
	Dir string // <graphroot>/moss
	// Brief says that of descriptions only ID, Name and Remove are needed: for a monitor, which has neither the time nor the memory
	// to read more.
	Brief bool
	// Tell, when not nil, is told what is mended: nobody needs to know.
	Tell func(string)
}

func (s *Store) tell(format string, args ...any) {
	if s.Tell != nil {
		s.Tell(fmt.Sprintf(format, args...))
	}
}

// Container is one container as it was read from disk.
type Container struct {
	Spec  *spec.Container
	State Record
	// Dir is the container's directory; its writable layer and its log are below.
	Dir string
	// Damaged says that a file could not be understood, or only by a newer moss (ErrNewer); Spec may then have the id and the name alone.
	Damaged error
}

// Gone says that the container was to vanish with its end (--rm), and has ended: only its files are left, because
// its monitor was killed, or is just removing them, or because the command was that made it.
func (c *Container) Gone() bool {
	if c.Damaged != nil || !c.Spec.Remove {
		return false
	}
	seen := c.State.Observed()
	if seen.Restarter.Alive() {
		return false
	}
	if seen.Status == Exited || seen.unborn() && c.abandoned() {
		return true
	}
	// Its monitor tells the exit code first, and removes it then.
	_, err := monitor.ReadExit(seen.RunDir)
	return err == nil && seen.Active()
}

// abandoned says that nobody is about to start the container: who does so holds its lock until its monitor has told that it runs.
func (c *Container) abandoned() bool {
	held, err := sys.LockHeld(filepath.Join(c.Dir, lockFile))
	if held || err != nil {
		return false
	}
	seen := c.State.Observed() // the monitor may have told before it let go
	return seen.unborn()
}

func (s *Store) containers() string          { return filepath.Join(s.Dir, "containers") }
func (s *Store) names() string               { return filepath.Join(s.Dir, "names") }
func (s *Store) dir(id string) string        { return filepath.Join(s.containers(), id) }
func (s *Store) nameLink(n string) string    { return filepath.Join(s.names(), n) }
func (s *Store) stagingDir(id string) string { return filepath.Join(s.containers(), hidden+id) }

// Exists says whether there is a container with this id, be it half made or half removed.
func (s *Store) Exists(id string) bool {
	for _, dir := range []string{s.stagingDir(id), s.dir(id), s.stagingDir(id)} { // it is renamed from one to the other
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			return true
		}
	}
	return false
}

// ContainerDir is the directory of the container with this id.
func (s *Store) ContainerDir(id string) string { return s.dir(id) }

// Create adds a container whole or not at all. prepare fills its new directory (the writable layer), and makes its volumes,
// before anybody can see it: what it is to be stands there already, for whoever finds it (Sweep). undo, when not nil, takes back what
// is outside of that directory, before it goes. The container's name must be set; ErrConflict says it is taken.
//
// start, when not nil, then starts it, as by Transact with OpStart. Its error is a StartError: the container is there. It
// calls Locked.Commit before anybody may see what it does, and goes on while the files are written to the disk.
func (s *Store) Create(ctx context.Context, c *spec.Container, rec Record, prepare func(dir string) error, undo func() error, start func(context.Context, *Locked) error) error {
	before := rec
	if start != nil {
		intent := Starting
		if c.Remove {
			intent = Bearing
		}
		if err := rec.intend(intent); err != nil {
			return err
		}
	}
	if c.Remove { // also when it fails: who is told removes it, unless he is killed
		before = rec
	}
	staging := s.stagingDir(c.ID)
	err := os.Mkdir(staging, 0o700)
	if errors.Is(err, os.ErrNotExist) {
		// That of the containers comes last: who finds it need not look for the other.
		if err := errors.Join(os.MkdirAll(s.names(), 0o700), os.MkdirAll(s.containers(), 0o700)); err != nil {
			return fmt.Errorf("cannot make the container store: %w", errdefs.NoSpace(err))
		}
		sys.SpreadChildren(s.containers())
		err = os.Mkdir(staging, 0o700)
	}
	if err != nil {
		return fmt.Errorf("cannot make the container's directory: %w", errdefs.NoSpace(err))
	}
	lock, err := sys.LockFile(filepath.Join(staging, lockFile), false)
	if err == nil {
		defer lock.Unlock()
		err = fill(staging, c, rec)
	}
	if err != nil {
		err = fmt.Errorf("cannot add container %s: %w", c.Name, err)
	} else if err = prepare(staging); err == nil {
		err = s.claim(c.Name, c.ID)
	}
	if err != nil {
		if undo != nil {
			err = errors.Join(err, undo())
		}
		return errors.Join(err, os.RemoveAll(staging))
	}
	a := &addition{store: s, c: c, staging: staging, synced: make(chan error, 1)}
	l := &Locked{Container: &Container{Spec: c, State: rec, Dir: s.dir(c.ID)}, store: s, lock: lock}
	l.Commit = sync.OnceValue(a.commit)
	if start != nil {
		err = l.apply(ctx, transitions[OpStart], before, start)
	}
	if err := l.Commit(); err != nil {
		return err
	}
	if err := <-a.synced; err != nil {
		return err
	}
	if err != nil {
		return &StartError{err}
	}
	return nil
}

// addition is a container on its way to the disk, while it may be starting already.
type addition struct {
	store   *Store
	c       *spec.Container
	staging string
	synced  chan error
}

// commit lets everybody see the container, and begins to write it to the disk. Nobody is told that it is there before that is
// done: if the power fails meanwhile, a container that nobody heard of may be there, damaged. One that vanishes at its end need not
// get to the disk.
func (a *addition) commit() error {
	dir := a.store.dir(a.c.ID)
	if err := os.Rename(a.staging, dir); err != nil {
		return errors.Join(fmt.Errorf("cannot add the container: %w", err), os.Remove(a.store.nameLink(a.c.Name)), os.RemoveAll(a.staging))
	}
	if a.c.Remove {
		a.synced <- nil
		return nil
	}
	go func() {
		a.synced <- sys.Sync(filepath.Join(dir, specFile), filepath.Join(dir, stateFile), dir, a.store.containers(), a.store.names())
	}()
	return nil
}

// StartError says that a container was created, but not started.
type StartError struct{ err error }

func (e *StartError) Error() string { return e.err.Error() }
func (e *StartError) Unwrap() error { return e.err }

func fill(dir string, c *spec.Container, rec Record) error {
	if err := writeJSON(filepath.Join(dir, specFile), c); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, stateFile), &rec)
}

// claim takes a name: symlink(2) either makes the link or says that it is there. A link that a killed
// command left, to a container that never came to be, is taken over.
func (s *Store) claim(name, id string) error {
	for range 100 {
		err := os.Symlink(id, s.nameLink(name))
		if err == nil {
			return nil
		}
		if !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("cannot take the name %q: %w", name, errdefs.NoSpace(err))
		}
		holder, err := os.Readlink(s.nameLink(name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot see who has the name %q: %w", name, err)
		}
		if holder == id { // of a rename that was killed
			return nil
		}
		if s.claimed(name, holder) {
			return errdefs.Errorf(errdefs.ErrConflict, "the name %q is in use by container %s; remove that one (moss rm %s) or choose another name", name, names.Short(holder), name)
		}
		if err := s.release(name, holder); err != nil {
			return err
		}
	}
	return errdefs.Errorf(errdefs.ErrConflict, "the name %q is being taken by other commands", name)
}

// Taken says whether a container has a name, or is about to.
func (s *Store) Taken(name string) bool {
	id, err := os.Readlink(s.nameLink(name))
	return err == nil && s.claimed(name, id)
}

// claimed says whether the container that a name's link names has that name, or is about to: it is being made, renamed or removed.
func (s *Store) claimed(name, id string) bool {
	if s.has(id, name) {
		return true
	}
	for _, dir := range []string{s.stagingDir(id), s.dir(id)} {
		held, err := sys.LockHeld(filepath.Join(dir, lockFile))
		if held || err != nil && !errors.Is(err, os.ErrNotExist) {
			return true
		}
	}
	return s.has(id, name) // what was being done is done
}

// has says whether a container has a name. One that is damaged may.
func (s *Store) has(id, name string) bool {
	c, err := s.Read(id)
	if errors.Is(err, errdefs.ErrNotFound) {
		return false
	}
	return err != nil || c.Damaged != nil || c.Spec.Name == name
}

// release removes a name's link if it still names this id. Two commands that find the same stale link
// agree on who removes it by a lock: else the slower one would remove the faster one's new link.
func (s *Store) release(name, id string) error {
	lock, err := sys.LockFile(filepath.Join(s.Dir, "names.lock"), false)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if now, err := os.Readlink(s.nameLink(name)); err != nil || now != id {
		return nil
	}
	return os.Remove(s.nameLink(name))
}

// Read reads one container by its whole id, without a lock. A container with a damaged file is returned with
// Damaged set.
func (s *Store) Read(id string) (*Container, error) {
	dir, err := os.Open(s.containers())
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, gone(id)
		}
		return nil, fmt.Errorf("cannot read the containers: %w", err)
	}
	defer dir.Close()
	return s.read(dir, id, make([]byte, readSize))
}

// readSize is room for most descriptions and records.
const readSize = 4096

// read reads one container below the open directory of all. buf is only for the time of the call.
func (s *Store) read(dir *os.File, id string, buf []byte) (*Container, error) {
	c := &Container{Dir: s.dir(id), Spec: &spec.Container{}}
	err := s.readSpec(dir, id+"/"+specFile, buf, c.Spec)
	if err == nil {
		err = readJSON(dir, id+"/"+stateFile, buf, &c.State)
	}
	if err == nil {
		err = c.check(id)
	}
	if err == nil {
		c.State.layer = filepath.Join(c.Dir, LayerDir)
		return c, nil
	}
	if passing(err) {
		return nil, fmt.Errorf("cannot read container %s: %w", names.Short(id), err)
	}
	if _, lost := os.Lstat(c.Dir); errors.Is(lost, os.ErrNotExist) {
		return nil, gone(id)
	}
	c.Damaged = errdefs.Errorf(errdefs.ErrDamaged, "container %s is damaged: %w; moss rm -f %s removes it", names.Short(id), err, names.Short(id))
	if errors.Is(err, errdefs.ErrNewer) {
		c.Damaged = fmt.Errorf("cannot use container %s: %w; moss rm -f %s removes it", names.Short(id), err, names.Short(id))
	}
	c.Spec.ID = id
	if c.Spec.Name == "" {
		c.Spec.Name = s.nameOf(id)
	}
	return c, nil
}

func (s *Store) readSpec(dir *os.File, name string, buf []byte, c *spec.Container) error {
	if !s.Brief {
		return readJSON(dir, name, buf, c)
	}
	var b briefSpec
	err := readJSON(dir, name, buf, &b)
	c.ID, c.Name, c.Remove = b.ID, b.Name, b.Remove
	return err
}

func gone(id string) error {
	return errdefs.Errorf(errdefs.ErrNotFound, "no such container: %s", names.Short(id))
}

// All reads all containers, in no order and without a lock: those that are removed meanwhile are not
// among them.
func (s *Store) All() ([]*Container, error) {
	ids, err := s.IDs()
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	dir, err := os.Open(s.containers())
	if err != nil {
		return nil, fmt.Errorf("cannot list the containers: %w", err)
	}
	defer dir.Close()
	found, errs := make([]*Container, len(ids)), make([]error, len(ids))
	workers := min(runtime.GOMAXPROCS(0), len(ids)/32+1)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			buf := make([]byte, readSize)
			for i := w; i < len(ids); i += workers {
				found[i], errs[i] = s.read(dir, ids[i], buf)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, errdefs.ErrNotFound) { // else it is gone
			return nil, err
		}
	}
	return slices.DeleteFunc(found, func(c *Container) bool { return c == nil }), nil
}

// Find resolves a name, an id, or the unambiguous beginning of one.
func (s *Store) Find(ref string) (*Container, error) {
	if ref == "" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "a container's name or id is needed")
	}
	if strings.ContainsRune(ref, '/') {
		return nil, notFound(strings.TrimPrefix(ref, "/"))
	}
	if c, err := s.Named(ref); !errors.Is(err, errdefs.ErrNotFound) {
		return c, err
	}
	ids, err := s.IDs()
	if err != nil {
		return nil, err
	}
	var match string
	for _, id := range ids {
		if !strings.HasPrefix(id, ref) {
			continue
		}
		if match != "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "%q is the beginning of more than one container's id; give more of it", ref)
		}
		match = id
	}
	if match == "" {
		return s.nameless(ref, ids)
	}
	return s.Read(match)
}

// nameless finds a container by the name in its description, whose link somebody has removed: of those with these ids some have none, then.
func (s *Store) nameless(name string, ids []string) (*Container, error) {
	links, err := os.ReadDir(s.names())
	if err == nil && len(links) >= len(ids) {
		return nil, notFound(name)
	}
	for _, id := range ids {
		if c, err := s.Read(id); err == nil && c.Damaged == nil && c.Spec.Name == name {
			return c, nil
		}
	}
	return nil, notFound(name)
}

// Named finds the container that has a name, and none whose id begins like it.
func (s *Store) Named(name string) (*Container, error) {
	id, err := os.Readlink(s.nameLink(name))
	if passing(err) || errors.Is(err, syscall.EIO) {
		return nil, fmt.Errorf("cannot look for container %q: %w", name, err)
	}
	if err != nil {
		return nil, notFound(name)
	}
	c, err := s.Read(id)
	if err == nil && c.Damaged == nil && c.Spec.Name != name {
		err = notFound(name)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func notFound(ref string) error {
	return errdefs.Errorf(errdefs.ErrNotFound, "no such container: %q; moss ps -a lists them", ref)
}

// IDs are the ids of all containers, in no order.
func (s *Store) IDs() ([]string, error) {
	dir, err := os.Open(s.containers())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list the containers: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("cannot list the containers: %w", err)
	}
	ids := names[:0]
	for _, name := range names {
		if !strings.HasPrefix(name, hidden) {
			ids = append(ids, name)
		}
	}
	return ids, nil
}

func readJSON(dir *os.File, name string, buf []byte, v json.Unmarshaler) error {
	data, err := sys.ReadFileAt(dir, name, buf)
	if err != nil {
		return err
	}
	if err := v.UnmarshalJSON(data); err != nil {
		return record.Explain(data, fmt.Errorf("%s: %w", filepath.Join(dir.Name(), name), err))
	}
	return nil
}

// writeJSON writes a new file; replaceJSON replaces one atomically.
func writeJSON(path string, v json.Marshaler) error {
	data, err := v.MarshalJSON()
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return errdefs.NoSpace(err)
	}
	return nil
}

// On a full disk, where there is no room for a second file, it overwrites the one that is there: what stops and
// removes containers must work then more than ever.
func replaceJSON(path string, v json.Marshaler, durable bool) error {
	temp := path + ".new"
	if err := writeJSON(temp, v); err != nil {
		_ = os.Remove(temp) // it may not even have come to be
		if errors.Is(err, errdefs.ErrNoSpace) {
			return overwriteJSON(path, v)
		}
		return err
	}
	if durable {
		if err := sys.Sync(temp); err != nil {
			return err
		}
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	if durable {
		return sys.Sync(filepath.Dir(path))
	}
	return nil
}

// overwriteJSON writes into the blocks that a file has. It is padded to its old length and written at once, so that
// nobody reads a part of the old.
func overwriteJSON(path string, v json.Marshaler) error {
	data, err := v.MarshalJSON()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if info, err := f.Stat(); err == nil && int(info.Size()) > len(data) {
		data = append(data, bytes.Repeat([]byte{' '}, int(info.Size())-len(data))...)
	}
	_, err = f.WriteAt(data, 0)
	return errdefs.NoSpace(errors.Join(err, f.Sync(), f.Close()))
}
