package libpod

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// ConnectNetwork puts a container on one more network: at once when it runs, and whenever it is started.
func (e *Engine) ConnectNetwork(ctx Context, ref string, want spec.Connection) error {
	n, err := e.Network(want.Name)
	if err != nil {
		return err
	}
	lock, err := e.networks().Hold(ctx, n)
	if err != nil {
		return err
	}
	if lock != nil {
		defer lock.Unlock()
	}
	want.Name = n.Name
	return e.rewire(ctx, ref, func(l *state.Locked) (*wiring, error) {
		c := l.Spec
		w, err := e.wiring(l)
		if err != nil {
			return nil, err
		}
		half := l.State.Active() && l.State.Network.Endpoint(n.Name) == nil // a command was killed
		if c.Connection(n.Name) != nil && !half {
			return w, errdefs.Errorf(errdefs.ErrConflict, "cannot connect container %s to network %q: it is on it already", c.Name, n.Name)
		}
		c.Networks = append(without(c.Networks, n.Name), want)
		if err := c.Validate(); err != nil {
			return w, err
		}
		asked, err := connection(c, n, want)
		if err == nil {
			err = w.checkLinks(want)
		}
		if err != nil {
			return w, err
		}
		return w, w.plug(ctx, asked)
	})
}

// without is a list without one network, in memory of its own.
func without(list []spec.Connection, name string) []spec.Connection {
	return slices.DeleteFunc(slices.Clone(list), func(c spec.Connection) bool { return c.Name == name })
}

// DisconnectNetwork takes a container off a network, also one that is gone. With force, that the container does not exist is fine.
func (e *Engine) DisconnectNetwork(ctx Context, ref, name string, force bool) error {
	n, gone := e.LookNetwork(name)
	if errors.Is(gone, errdefs.ErrNotFound) {
		n = &netconf.Network{Name: name}
	} else if gone != nil {
		return gone
	}
	err := e.rewire(ctx, ref, func(l *state.Locked) (*wiring, error) {
		c := l.Spec
		if c.Connection(n.Name) == nil && gone != nil {
			return nil, gone
		}
		if c.Connection(n.Name) == nil {
			return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot disconnect container %s from network %q: it is not on it", c.Name, n.Name)
		}
		w, err := e.wiring(l)
		if err != nil {
			return nil, err
		}
		c.Networks = without(c.Networks, n.Name)
		return w, w.unplug(ctx, n)
	})
	if force && gone == nil && errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}

// lost says whether the network of this name is gone: one that Podman made may be removed by Podman.
func (e *Engine) lost(name string) bool {
	n, err := e.Network(name)
	return errors.Is(err, errdefs.ErrNotFound) || err == nil && n.Name != name
}

// ReloadNetwork makes anew what a running container has of its networks, with the same addresses. It is for when the
// user's network namespace, or the rules in it, were damaged.
func (e *Engine) ReloadNetwork(ctx Context, ref string) error {
	return e.rewire(ctx, ref, func(l *state.Locked) (*wiring, error) {
		w, err := e.wiring(l)
		if err != nil {
			return nil, err
		}
		if w.netns == nil {
			return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot reload the network of container %s: it does not run", l.Spec.Name)
		}
		if err := w.repair(ctx); err != nil {
			return w, err
		}
		connections, err := w.connected(l.Spec)
		if err != nil {
			return w, err
		}
		for _, c := range connections {
			if err := w.unplug(ctx, c.Network); err != nil {
				return w, err
			}
			if err := w.plug(ctx, c); err != nil {
				return w, err
			}
		}
		return w, nil
	})
}

// A container that has just ended, or is about to run again, is waited for.
const (
	betweenTries = 100
	betweenPause = 10 * time.Millisecond
)

// rewire lets change change on which networks a container is, and writes that down.
func (e *Engine) rewire(ctx Context, ref string, change func(*state.Locked) (*wiring, error)) error {
	err := e.tryRewire(ctx, ref, change)
	for try := 0; try < betweenTries && errors.Is(err, errBetween) && ctx.Err() == nil; try++ {
		time.Sleep(betweenPause)
		err = e.tryRewire(ctx, ref, change)
	}
	return err
}

func (e *Engine) tryRewire(ctx Context, ref string, change func(*state.Locked) (*wiring, error)) error {
	c, err := e.Whole(ref)
	if err != nil {
		return err
	}
	return e.Store.Transact(ctx, c.Spec.ID, state.OpUpdate, func(ctx context.Context, l *state.Locked) error {
		if l.Spec.Network.Mode != spec.NetworkBridge {
			return errdefs.Errorf(errdefs.ErrConflict, "cannot change the networks of container %s: it was made with --network %s", l.Spec.Name, l.Spec.Network.Mode)
		}
		before := *l.Spec
		changed := before
		l.Spec = &changed
		w, err := change(l)
		if w != nil {
			defer w.Close()
		}
		if err == nil {
			err = w.settle(ctx)
		}
		if err != nil && w != nil {
			l.Spec, l.State.Network.Endpoints = &before, w.was
			return errors.Join(err, w.sweep(&before))
		}
		if err != nil {
			l.Spec = &before
			return err
		}
		return l.SetSpec(&changed)
	})
}
