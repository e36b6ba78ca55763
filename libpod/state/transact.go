package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Op is something that is done to a container.
type Op string

// The operations.
const (
	OpStart  Op = "start"
	OpStop   Op = "stop"    // ask it to end; it ends by OpExit
	OpKeep   Op = "keep"    // who asked it to end has given up
	OpExit   Op = "exit"    // its first process has ended for good
	OpPause  Op = "retry"   // its first process has ended; the restart policy wants it to run again
	OpResume Op = "restart" // the monitor has run it again
	OpRemove Op = "remove"
	OpUpdate Op = "change" // the description or other parts of the record
)

// transition says from which statuses an operation is allowed, what is written before it, and which
// status it leads to ("" leaves the status).
type transition struct {
	from   []Status
	intent Intent
	to     Status
	// told says that the container's monitor writes the new status: see monitor.Recorder.
	told bool
	// lossy says that what is written need not be where there is no room for it: stopping and removing must work then more than ever.
	lossy bool
	why   string // the end of "container X is STATUS: …"
}

var transitions = map[Op]transition{
	OpStart:  {from: []Status{Created, Exited}, intent: Starting, to: Running, told: true, why: "stop it first, or use restart"},
	OpStop:   {from: []Status{Running, Stopping, Restarting}, to: Stopping, lossy: true, why: "it does not run"},
	OpKeep:   {from: []Status{Stopping}, to: Running, lossy: true, why: "it has ended, or nobody stops it"},
	OpExit:   {from: []Status{Created, Running, Stopping, Restarting, Exited}, to: Exited},
	OpPause:  {from: []Status{Running}, to: Restarting, why: "a stop was asked for"},
	OpResume: {from: []Status{Restarting}, to: Running, why: "a stop was asked for"},
	OpRemove: {from: []Status{Created, Exited}, intent: Removing, lossy: true, why: "stop it first, or remove it with -f"},
	OpUpdate: {from: []Status{Created, Running, Stopping, Restarting, Exited}},
}

// Locked is a container whose lock is held. Only Transact makes one.
type Locked struct {
	*Container
	// Commit makes sure that the container is there for everybody to see: only one that is just being created may not be.
	Commit  func() error
	store   *Store
	lock    *sys.Lock
	removed bool
}

// Transact does op to the container with this id: it takes the container's lock, reads it anew, mends what a killed
// command left, checks that op is allowed now (ErrConflict if not), writes down the intent, calls act, and
// writes the new status. When act fails the record stays as it was.
func (s *Store) Transact(ctx context.Context, id string, op Op, act func(context.Context, *Locked) error) error {
	lock, err := s.lock(ctx, id)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	c, err := s.Read(id)
	if err != nil {
		return err
	}
	l := &Locked{Container: c, Commit: func() error { return nil }, store: s, lock: lock}
	if c.Damaged != nil && op != OpRemove {
		return c.Damaged
	}
	if err := l.mend(); err != nil {
		return err
	}
	if err := c.Reach(); err != nil {
		return err
	}
	t := transitions[op]
	if c.Damaged == nil && !slices.Contains(t.from, c.State.Status) {
		return errdefs.Errorf(errdefs.ErrConflict, "cannot %s container %s: it is %s; %s", op, c.Spec.Name, c.State.Status, t.why)
	}
	before := l.State
	if t.intent != None {
		if err := l.State.intend(t.intent); err != nil {
			return err
		}
		err := l.write(false)
		if errors.Is(err, errdefs.ErrNoSpace) && op == OpRemove {
			err = l.makeRoom()
		}
		if err = t.allow(err); err != nil {
			return err
		}
	}
	return l.apply(ctx, t, before, act)
}

// intend notes what is about to be done.
func (r *Record) intend(i Intent) (err error) {
	r.Intent = i
	r.Boot, r.PIDs, err = sys.Here()
	r.Host, _ = sys.Hostname() // only for people
	return err
}

// apply does what was written down as intended. before is the record to go back to.
func (l *Locked) apply(ctx context.Context, t transition, before Record, act func(context.Context, *Locked) error) error {
	err := act(ctx, l)
	if l.removed {
		return err
	}
	if err != nil {
		l.State = before
		if t.intent == None {
			return err
		}
		if commitErr := l.Commit(); commitErr != nil {
			return errors.Join(err, commitErr)
		}
		return errors.Join(err, l.write(false))
	}
	if t.told {
		return nil
	}
	if t.to != "" {
		l.State.Status = t.to
	}
	l.State.Intent = None
	return t.allow(l.write(t.to == Exited))
}

// makeRoom writes the record of a container that is to be removed once there is room: it gives up the log and what the store keeps for such a
// moment, and then the layer. Where nothing is overwritten in place, as on btrfs, neither a record nor a name could be changed else, and
// what is freed is free once the file system has settled.
func (l *Locked) makeRoom() (err error) {
	var logs []string
	entries, _ := os.ReadDir(l.Dir)
	for _, e := range entries {
		if strings.Contains(e.Name(), ".log") {
			logs = append(logs, filepath.Join(l.Dir, e.Name()))
		}
	}
	for _, useless := range [][]string{logs, {filepath.Join(l.Dir, UpperDir)}} {
		l.store.giveUp(useless...)
		if err = l.write(false); !errors.Is(err, errdefs.ErrNoSpace) {
			break
		}
	}
	return err
}

// giveUp removes something, and what the store keeps for such a moment.
func (s *Store) giveUp(paths ...string) {
	for _, path := range append(paths, filepath.Join(s.Dir, "reserve")) {
		_ = os.RemoveAll(path) // what does not help does no harm
	}
	_ = sys.SyncFileSystem(s.Dir)
}

// allow lets writing fail for want of room.
func (t *transition) allow(err error) error {
	if t.lossy && errors.Is(err, errdefs.ErrNoSpace) {
		return nil
	}
	return err
}

// Lock is the file that is locked. A child that inherits it holds the lock too, also when this process is killed.
func (l *Locked) Lock() *os.File { return l.lock.File() }

// lock takes the container's lock. The directory may have been removed and its lock with it while we waited.
func (s *Store) lock(ctx context.Context, id string) (*sys.Lock, error) {
	path := filepath.Join(s.dir(id), lockFile)
	lock, err := sys.AwaitLockFile(ctx, path, false)
	if errors.Is(err, os.ErrNotExist) {
		return nil, gone(id)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot lock container %s: %w", names.Short(id), err)
	}
	return lock, nil
}

// mend finishes or undoes what a killed command or monitor left. Nobody else works on the container: its
// lock is ours.
func (l *Locked) mend() error {
	if l.Damaged != nil {
		return nil
	}
	before := l.State
	l.State = l.State.Observed()
	if l.State.Elsewhere {
		return nil
	}
	if l.State.unborn() {
		l.State.Status = Exited
	}
	l.State.Intent = None // of somebody who is dead
	if before.Active() && !l.State.Active() {
		l.Unlink()
		if l.State.FinishedAt.Before(l.State.StartedAt) {
			l.State.FinishedAt = after(now(), l.State.StartedAt)
		}
	}
	if before.Status == l.State.Status && before.Intent == None {
		return nil
	}
	if !l.State.Active() {
		l.store.tell("container %s was left %s: it is %s", l.Spec.Name, cmp.Or(string(before.Intent), string(before.Status)), l.State.Status)
	}
	if l.Spec.Remove {
		return nil // what is seen of one that vanishes can be seen again
	}
	if err := l.write(true); !errors.Is(err, errdefs.ErrNoSpace) { // what was seen can be seen again
		return err
	}
	return nil
}

// Unlink removes the files that the last run asked to be removed at its end.
func (l *Locked) Unlink() {
	for _, path := range l.State.Cleanup {
		_ = os.Remove(path) // a lease that stays is reclaimed by who needs it
	}
	l.State.Cleanup = nil
}

// MoveRunDir says, before a life begins, where its run directory is: it was elsewhere, if the life before was started by a session with another one.
func (l *Locked) MoveRunDir(dir string) error {
	old := l.State.RunDir
	if old == dir {
		return nil
	}
	l.State.RunDir = dir
	if err := l.write(false); err != nil {
		return err
	}
	if filepath.Base(old) == l.Spec.ID {
		_ = os.RemoveAll(old) // nothing is in there but what a reboot wipes
	}
	return nil
}

// write replaces state.json. What is written for a container that goes away at its end need not survive
// a power cut.
func (l *Locked) write(durable bool) error {
	if l.Damaged != nil {
		return nil
	}
	err := replaceJSON(filepath.Join(l.Dir, stateFile), &l.State, durable && !l.Spec.Remove)
	if err != nil {
		return fmt.Errorf("cannot write the state of container %s: %w", l.Spec.Name, err)
	}
	return nil
}

// SetSpec replaces the container's description.
func (l *Locked) SetSpec(c *spec.Container) error {
	if err := replaceJSON(filepath.Join(l.Dir, specFile), c, true); err != nil {
		return fmt.Errorf("cannot write the description of container %s: %w", c.Name, err)
	}
	l.Spec = c
	return nil
}

// Rename gives the container another name. A command killed in between leaves the old name's link, which
// the next one that wants the name removes.
func (l *Locked) Rename(name string) error {
	old := l.Spec.Name
	if name == old { // else claim would advise to remove this very container
		return errdefs.Errorf(errdefs.ErrConflict, "cannot rename container %s: that is its name already", old)
	}
	if err := l.store.claim(name, l.Spec.ID); err != nil {
		return err
	}
	renamed := *l.Spec
	renamed.Name = name
	if err := l.SetSpec(&renamed); err != nil {
		return errors.Join(err, l.store.release(name, l.Spec.ID))
	}
	return l.store.release(old, l.Spec.ID)
}

// RemoveVolumes notes that the container's anonymous volumes are to be removed with it: Sweep does so if this command is killed.
func (l *Locked) RemoveVolumes() error {
	l.State.Intent = RemovingVolumes
	t := transitions[OpRemove]
	return t.allow(l.write(false))
}

// Remove makes the container not be: its directory is renamed out of sight, its name let go, and then its files go: first those that rest
// removes, of which nothing else tells whoever sweeps up after this command.
func (l *Locked) Remove(rest func() error) error {
	id := l.Spec.ID
	trash := l.store.stagingDir(id)
	if err := os.Rename(l.Dir, trash); err != nil {
		return fmt.Errorf("cannot remove container %s: %w", names.Short(id), err)
	}
	l.removed = true
	name := l.Spec.Name
	if l.Damaged != nil {
		name = l.store.nameOf(id)
	}
	if name != "" {
		if err := l.store.release(name, id); err != nil {
			return err
		}
	}
	if err := rest(); err != nil {
		return err
	}
	if err := sys.RemoveAll(trash); err != nil {
		return fmt.Errorf("cannot remove the files of container %s: %w", names.Short(id), err)
	}
	return nil
}

// nameOf finds the name of a container whose description is damaged.
func (s *Store) nameOf(id string) string {
	names, err := os.ReadDir(s.names())
	if err != nil {
		return ""
	}
	for _, n := range names {
		if target, err := os.Readlink(s.nameLink(n.Name())); err == nil && target == id {
			return n.Name()
		}
	}
	return ""
}

// Sweep removes what killed commands left half made or half removed. runDir is where a container's run directory is.
func (s *Store) Sweep(runDir func(id string) string) error {
	return errors.Join(s.SweepDirs(runDir), s.sweepNames())
}

// sweepNames removes the names of containers that never came to be, or are gone, and makes those that are missing.
func (s *Store) sweepNames() error {
	links, err := os.ReadDir(s.names())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot look for what killed commands left: %w", err)
	}
	var errs []error
	for _, link := range links {
		id, err := os.Readlink(s.nameLink(link.Name()))
		if err == nil && !s.claimed(link.Name(), id) {
			errs = append(errs, s.release(link.Name(), id))
		}
	}
	return errors.Join(append(errs, s.relink())...)
}

// relink gives the containers names again whose links somebody has removed, unless others have taken these meanwhile.
func (s *Store) relink() error {
	containers, err := s.All()
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range containers {
		if c.Damaged != nil || c.Gone() {
			continue
		}
		if err := os.Symlink(c.Spec.ID, s.nameLink(c.Spec.Name)); err != nil && !errors.Is(err, os.ErrExist) {
			errs = append(errs, fmt.Errorf("cannot give container %s its name again: %w", names.Short(c.Spec.ID), err))
		}
	}
	return errors.Join(errs...)
}

// SweepDirs is the cheap part of Sweep: it reads no containers.
func (s *Store) SweepDirs(runDir func(id string) string) error {
	return sys.Sweep(s.containers(), hidden, func(dir string) (*sys.Lock, bool, error) {
		id := strings.TrimPrefix(filepath.Base(dir), hidden)
		return s.clear(id, []string{runDir(id)})
	})
}

// discard removes one container that is half made or half removed, and trees, unless somebody works on it.
func (s *Store) discard(id string, trees []string) error {
	lock, free, err := s.clear(id, trees)
	if errors.Is(err, os.ErrNotExist) || err == nil && !free {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(sys.RemoveAll(s.stagingDir(id)), lock.Unlock())
}

// clear removes what is outside of the directory of such a container, and returns the directory's lock: free says that nobody works on it.
func (s *Store) clear(id string, trees []string) (lock *sys.Lock, free bool, err error) {
	lock, free, err = sys.TryLockFile(filepath.Join(s.stagingDir(id), lockFile))
	if err != nil || !free {
		return nil, false, err
	}
	s.tell("removing what is left of container %s", id)
	c, volumes := s.left(id)
	// Before the directory that tells of it.
	err = errors.Join(s.RemoveUnusedVolumes(volumes), removeTrees(trees))
	if err == nil && c.Name != "" {
		err = s.release(c.Name, id)
	}
	if err != nil {
		return nil, false, errors.Join(err, lock.Unlock())
	}
	return lock, true, nil
}

// left is what a container that is half made or half removed was to be, and its anonymous volumes, unless they are to stay.
func (s *Store) left(id string) (c spec.Container, volumes []string) {
	dir, err := os.Open(s.stagingDir(id))
	if err != nil {
		return c, nil
	}
	defer dir.Close()
	var r Record
	buf := make([]byte, readSize)
	if readJSON(dir, specFile, buf, &c) != nil || readJSON(dir, stateFile, buf, &r) != nil {
		return c, nil // it had not got as far, or nobody knows
	}
	// There was no room for the intent, perhaps, to remove one that has run.
	if !c.Remove && r.Intent != RemovingVolumes && (r.Intent == Removing || !r.StartedAt.IsZero()) {
		return c, nil
	}
	return c, c.AnonymousVolumes()
}
