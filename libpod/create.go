package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/storage"
)

// The parts of a container's directory that libpod and the monitor fill.
const (
	upperDir = state.UpperDir
	workDir  = state.LayerDir
	logFile  = "ctr.log"
)

// CreateOptions say what a new container is made of.
type CreateOptions struct {
	Image   *storage.Image // nil with Image.Rootfs
	Replace bool           // the container that has its name goes
}

// Create adds a container: it completes c, which is then what is stored.
func (e *Engine) Create(ctx Context, c *spec.Container, opts CreateOptions) error {
	return errors.Join(e.create(ctx, c, opts, nil), e.Tidy())
}

// Run is Create and Start in one. After a state.StartError the container is there, but does not run.
func (e *Engine) Run(ctx Context, c *spec.Container, what CreateOptions, opts StartOptions) (warnings []string, err error) {
	begun := false
	opts.Image = what.Image
	if err := e.announce(c, opts.Monitor); err != nil {
		return nil, errors.Join(err, opts.Monitor.Close())
	}
	err = e.create(ctx, c, what, &starter{
		ready: func() error {
			opts.network, err = e.makeNetwork(ctx, c, nil)
			return err
		},
		start: func(ctx Context, l *state.Locked) error {
			begun = true
			warnings, err = e.start(ctx, l, opts)
			return err
		},
	})
	if !begun {
		err = errors.Join(err, opts.network.abandon(), opts.Monitor.Close())
	}
	return warnings, err
}

// starter starts a container that is just being created; nil leaves it.
type starter struct {
	// ready is called when the description is complete, unless another container is to be replaced: that one may have the address of this one, and
	// whoever is just replacing it too, until the name is taken.
	ready func() error
	start func(Context, *state.Locked) error
}

// newContainerID is a random id. What it begins with is the container's hostname, so that is no number: resolvers would take it for an address, and not
// find the container.
func newContainerID() string {
	for {
		id := randomHex()
		if strings.Trim(names.Short(id), "0123456789") != "" {
			return id
		}
	}
}

func (e *Engine) create(ctx Context, c *spec.Container, opts CreateOptions, start *starter) error {
	if err := host.Suffices(); err != nil {
		return err
	}
	if c.ID == "" { // else its monitor has it already
		c.ID = newContainerID()
	}
	c.Created = time.Now().Round(0)
	if img := opts.Image; img != nil {
		if img.OS != "" && !strings.EqualFold(img.OS, "linux") {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot make a container of image %s: it is for %s, and containers are Linux's", c.Image.Name, img.OS)
		}
		c.Image.ID, c.Image.Kin = img.ID, host.Kin(img.Architecture)
		c.ApplyImage(&img.Config)
	}
	d, err := e.defaults(c)
	if err != nil {
		return err
	}
	if err := c.Settle(d); err != nil { // containers.conf may change; the container does not
		return err
	}
	if err := e.inheritVolumes(c); err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return err
	}
	if err := e.nameNetworks(c); err != nil {
		return err
	}
	if err := e.identifyOthers(c); err != nil {
		return err
	}
	if err := e.identifyImages(c); err != nil {
		return err
	}
	if err := e.checkReferences(c); err != nil {
		return err
	}
	if opts.Replace {
		if _, err := e.connections(c, nil); err != nil { // which the old one is not to be lost for
			return err
		}
		if err := e.replace(ctx, c.Name); err != nil {
			return err
		}
	} else if start != nil {
		if err := start.ready(); err != nil {
			return err
		}
	}
	if c.Remove {
		return e.addWithVolumes(ctx, c, opts.Replace, start)
	}
	for _, id := range c.ImageIDs() {
		if err := e.pin(ctx, id); err != nil {
			return err
		}
	}
	return e.addPinned(ctx, c, opts.Replace, start)
}

// addPinned looks for the images' pins once more when the container is there, before it starts: who removed one meanwhile did
// not see the container yet (image.InUse).
func (e *Engine) addPinned(ctx Context, c *spec.Container, replace bool, start *starter) error {
	err := e.addWithVolumes(ctx, c, replace, start)
	if err == nil && start == nil {
		err = e.repin(ctx, c)
	}
	var unpinned *unpinnedError
	if errors.As(err, &unpinned) {
		return errors.Join(unpinned.err, e.Remove(context.WithoutCancel(ctx), c.ID, RemoveOptions{Volumes: true}))
	}
	return err
}

// repin makes sure that a container's images are pinned still, now that it is there for all to see.
func (e *Engine) repin(ctx Context, c *spec.Container) error {
	for _, id := range c.ImageIDs() {
		if err := e.pin(ctx, id); err != nil {
			return &unpinnedError{err}
		}
	}
	return nil
}

// unpinnedError says that a container cannot be, because its image is going away.
type unpinnedError struct{ err error }

func (e *unpinnedError) Error() string { return e.err.Error() }
func (e *unpinnedError) Unwrap() error { return e.err }

// addWithVolumes keeps the container's volumes and networks from being removed until it is there.
func (e *Engine) addWithVolumes(ctx Context, c *spec.Container, replace bool, start *starter) error {
	nameVolumes(c)
	volumes := &heldVolumes{}
	letGo, err := e.useNetworks(ctx, c)
	if err == nil {
		err = errors.Join(e.add(ctx, c, volumes, replace, start), letGo())
	}
	err = errors.Join(err, volumes.release())
	if err == nil {
		return nil
	}
	return errors.Join(err, e.Store.RemoveUnusedVolumes(volumes.made)) // a container that was made uses them, also where it could not start
}

// ErrUnpinned says that an image has no pin, and that this program cannot make one: the full program can.
var ErrUnpinned = errors.New("the image is being removed; try again")

// add stores the container under its name; without one, under a random one that is free. Its volumes are made when its description is on the disk.
func (e *Engine) add(ctx Context, c *spec.Container, volumes *heldVolumes, replace bool, start *starter) error {
	prepare := func(dir string) error {
		if err := e.useVolumes(ctx, c, volumes); err != nil {
			return err
		}
		return prepareLayer(dir)
	}
	undo := func() error { // while the description still tells of them: this command may be killed
		made := volumes.made
		volumes.made = nil
		return errors.Join(volumes.release(), e.Store.RemoveUnusedVolumes(made))
	}
	var run func(Context, *state.Locked) error
	if start != nil {
		run = func(ctx Context, l *state.Locked) error {
			// A container that runs may end at once, and its monitor removes its volumes, unless somebody has them.
			commit := l.Commit
			l.Commit = func() error { return errors.Join(commit(), volumes.release()) }
			return start.start(ctx, l)
		}
	}
	random := c.Name == ""
	for try := 0; replace || try < 10; try++ {
		if random {
			c.Name = names.Random()
		} else if err := names.Validate(c.Name); err != nil {
			return err
		}
		err := e.Store.Create(ctx, c, state.Record{Status: state.Created, RunDir: e.runDir(c.ID)}, prepare, undo, run)
		var created *state.StartError
		if !errors.Is(err, errdefs.ErrConflict) || errors.As(err, &created) {
			return err
		}
		switch {
		case random:
		case replace:
			if err := e.replace(ctx, c.Name); err != nil {
				return err
			}
		case !e.removeGone(ctx, c.Name):
			return err
		}
	}
	return errdefs.Errorf(errdefs.ErrConflict, "cannot find a free name for the container; give one with --name")
}

// replace removes the container that has a name, or is about to have it, so that another may. Of several commands that want it the last one
// gets it.
func (e *Engine) replace(ctx Context, name string) error {
	if name == "" {
		return nil
	}
	const often = 5 * time.Millisecond
	for {
		old, err := e.Store.Named(name)
		if err == nil {
			err = e.Remove(ctx, old.Spec.ID, RemoveOptions{Force: true})
		}
		switch {
		case !errors.Is(err, errdefs.ErrNotFound):
			return err
		case !e.Store.Taken(name):
			return nil
		}
		select { // another command is just making it
		case <-time.After(often):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// removeGone removes the container that has a name, if it should have removed itself already.
func (e *Engine) removeGone(ctx Context, name string) bool {
	other, err := e.Store.Named(name)
	if errors.Is(err, errdefs.ErrNotFound) {
		return !e.Store.Taken(name) // by one that is just being made
	}
	if err != nil || !other.Gone() {
		return false
	}
	other.State = other.State.Observed()
	if ended, err := waitProcess(ctx, other.State.Monitor, removalTime); err != nil || !ended {
		return false // its monitor removes it just now, and does not come to an end
	}
	err = e.Remove(ctx, other.Spec.ID, RemoveOptions{If: (*state.Container).Gone})
	return err == nil || errors.Is(err, errdefs.ErrNotFound)
}

// removalTime is more than a monitor needs to remove its container.
const removalTime = 10 * time.Second

// prepareLayer makes the writable layer. Its root is the container's "/": everybody in it may enter it.
func prepareLayer(dir string) error {
	upper := filepath.Join(dir, upperDir)
	for _, d := range []string{upper, filepath.Join(dir, workDir)} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return fmt.Errorf("cannot make the container's layer: %w", err)
		}
	}
	return os.Chmod(upper, 0o755)
}

// Rename gives a container another name.
func (e *Engine) Rename(ctx Context, ref, name string) error {
	c, err := e.Lookup(ref)
	if err != nil {
		return err
	}
	if err := names.Validate(name); err != nil {
		return err
	}
	return e.Store.Transact(ctx, c.Spec.ID, state.OpUpdate, func(ctx Context, l *state.Locked) error {
		w, err := e.wiring(l)
		if errors.Is(err, errBetween) { // its network is to learn the name too
			return errdefs.Errorf(errdefs.ErrConflict, "cannot rename container %s: %w", l.Spec.Name, errBetween)
		}
		if err != nil {
			return err
		}
		defer w.Close()
		if err := l.Rename(name); err != nil {
			return err
		}
		return w.settle(ctx)
	})
}
