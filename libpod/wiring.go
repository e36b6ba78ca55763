package libpod

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// wiring is a container while it is connected or disconnected.
type wiring struct {
	*Engine
	l     *state.Locked
	netns *os.File // nil when it does not run
	was   []spec.Endpoint
	gone  []spec.Endpoint // those of was whose cable is gone
	files files           // what it knows of names, before
}

// Close closes the namespace.
func (w *wiring) Close() {
	if w.netns != nil {
		w.netns.Close()
	}
}

// files are the contents of a container's files about names.
type files struct{ hosts, resolvConf string }

// wiring opens the network namespace of a container that runs.
func (e *Engine) wiring(l *state.Locked) (*wiring, error) {
	w := &wiring{Engine: e, l: l, was: slices.Clone(l.State.Network.Endpoints)}
	if !l.State.Active() || l.Spec.Network.Mode != spec.NetworkBridge {
		return w, nil
	}
	if dir := e.runDirOf(l.Container); dir != e.runDir(l.Spec.ID) { // whose bridges are in a network namespace of that session's
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot reach the networks of container %s: a session with another runtime directory has started it, in %s; do that there, or start it again", l.Spec.Name, dir)
	}
	var err error
	if w.netns, err = e.namespaceOf(l.Container); err != nil {
		return nil, err
	}
	ends := &l.State.Network.Endpoints
	*ends = slices.DeleteFunc(slices.Clone(*ends), func(at spec.Endpoint) bool {
		return l.Spec.Connection(at.Network) == nil || e.lost(at.Network)
	})
	if w.files, err = w.contents(); err == nil {
		err = w.sweep(l.Spec)
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// sweep takes away what commands have left that were killed, or failed, and forgets what they have taken: settle brings it back.
func (w *wiring) sweep(c *spec.Container) error {
	if w.netns == nil {
		return nil
	}
	connections, err := w.connected(c)
	if err != nil {
		return err
	}
	r := w.networkRequest()
	r.ContainerID = c.ID
	lost, err := network.Sweep(r, w.netns, connections)
	ends := &w.l.State.Network.Endpoints
	*ends = slices.DeleteFunc(slices.Clone(*ends), func(at spec.Endpoint) bool {
		is := slices.Contains(lost, at.Network)
		if is {
			w.gone = append(w.gone, at)
		}
		return is
	})
	return err
}

// repair makes rules anew that somebody has removed.
func (w *wiring) repair(ctx Context) error {
	return w.surviving(ctx, func() error { return network.Repair(w.networkRequest()) })
}

// connected are the connections of a container that runs.
func (w *wiring) connected(c *spec.Container) ([]network.Connection, error) {
	there := *c
	there.Networks = slices.DeleteFunc(slices.Clone(c.Networks), func(on spec.Connection) bool { return w.lost(on.Name) })
	return w.connections(&there, slices.Concat(w.l.State.Network.Endpoints, w.gone))
}

// namespaceOf opens the network namespace of a container. Between two lives of a restart policy its monitor alone has it.
func (e *Engine) namespaceOf(c *state.Container) (*os.File, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", c.State.Init.Pid))
	if err == nil && c.State.Init.Alive() {
		return f, nil
	}
	if err == nil {
		f.Close()
	}
	return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot change the networks of container %s: %w", c.Spec.Name, errBetween)
}

// errBetween says that there is no process of the container at the moment.
var errBetween = errors.New("it is just restarting; try again")

// plug connects a container that runs.
func (w *wiring) plug(ctx Context, c network.Connection) error {
	if w.netns == nil {
		return nil
	}
	var got []spec.Endpoint
	err := w.surviving(ctx, func() (err error) {
		r := w.networkRequest()
		r.ContainerID, r.Connections = w.l.Spec.ID, []network.Connection{c}
		got, err = network.Plug(ctx, r, w.netns)
		return err
	})
	w.l.State.Network.Endpoints = append(w.l.State.Network.Endpoints, got...)
	return err
}

// unplug disconnects a container that runs.
func (w *wiring) unplug(ctx Context, n *netconf.Network) error {
	ends := &w.l.State.Network.Endpoints
	at := w.l.State.Network.Endpoint(n.Name)
	if at == nil {
		return nil
	}
	if w.netns != nil {
		err := w.surviving(ctx, func() error {
			r := w.networkRequest()
			r.ContainerID = w.l.Spec.ID
			return network.Unplug(r, n, at)
		})
		if err := errors.Join(err, w.forget(n, w.l.Spec.ID)); err != nil {
			return err
		}
		if err := network.DropRoutes(w.netns, n, w.others(n)); err != nil {
			return err
		}
	}
	if w.netns != nil && len(w.l.Spec.Ports) > 0 && at.Address.IsValid() {
		if err := network.KeepAddress(w.netns, at.Address.Addr()); err != nil {
			return err
		}
	}
	*ends = slices.DeleteFunc(slices.Clone(*ends), func(e spec.Endpoint) bool { return e.Network == n.Name })
	return nil
}

// others are the networks but one that the container is on, as far as they are still there.
func (w *wiring) others(than *netconf.Network) (list []*netconf.Network) {
	for _, e := range w.l.State.Network.Endpoints {
		if n, err := w.Network(e.Network); err == nil && n.Name != than.Name {
			list = append(list, n)
		}
	}
	return list
}

// complete are the connections of a container that runs, each with its cable: what a killed command has left undone is done.
func (w *wiring) complete(ctx Context) ([]network.Connection, error) {
	connections, err := w.connected(w.l.Spec)
	for i := range connections {
		name := connections[i].Network.Name
		if err == nil && w.l.State.Network.Endpoint(name) == nil {
			err = w.plug(ctx, connections[i])
		}
		connections[i].Last = w.l.State.Network.Endpoint(name)
	}
	return connections, err
}

// settle tells the container and its neighbours of the change.
func (w *wiring) settle(ctx Context) error {
	if w.netns == nil {
		return nil
	}
	connections, err := w.complete(ctx)
	if err != nil {
		return err
	}
	if err := network.Reroute(w.netns, connections); err != nil {
		return fmt.Errorf("cannot change the default route of container %s: %w", w.l.Spec.Name, err)
	}
	if len(w.l.Spec.Ports) > 0 {
		if err := network.Admit(w.netns, len(connections) > 0); err != nil {
			return fmt.Errorf("cannot let clients of published ports reach container %s, or keep them from it: %w", w.l.Spec.Name, err)
		}
	}
	k, err := w.known()
	if err != nil {
		return err
	}
	if err := w.tell(ctx, k, w.l.State.Monitor, &w.l.State); err != nil {
		return err
	}
	now, err := w.contents()
	if err != nil {
		return err
	}
	dir := w.runDirOf(w.l.Container)
	return errors.Join(
		rewrite(filepath.Join(dir, hostsFile), w.files.hosts, now.hosts),
		rewrite(filepath.Join(dir, resolvFile), w.files.resolvConf, now.resolvConf),
	)
}

// known is what the container is to know and to be known by now.
func (w *wiring) known() (known, error) {
	name, err := hostname(w.l.Spec)
	k := known{c: w.l.Spec, hostname: name, mode: network.ModeBridge, at: w.l.State.Network.Endpoints}
	for i := range k.at {
		n, findErr := w.Network(k.at[i].Network)
		if findErr != nil {
			return k, findErr
		}
		k.networks = append(k.networks, n)
	}
	if err == nil {
		err = w.linkAndBase(&k, false)
	}
	return k, err
}

// contents are the files as they would be written now.
func (w *wiring) contents() (files, error) {
	k, err := w.known()
	if err != nil {
		return files{}, err
	}
	hosts, err := k.hosts()
	return files{hosts, k.resolvConf()}, err
}

// rewrite replaces the content of a file that is mounted in a container, unless somebody in there has changed it. What is going to be
// written is written beside it first, so that the next command knows it again when this one is killed.
func rewrite(path, before, now string) error {
	plan := path + ".next"
	planned, planErr := os.ReadFile(plan)
	data, err := readBeginning(path, max(len(before), len(now), len(planned))+1)
	if errors.Is(err, os.ErrNotExist) || err == nil && string(data) == now {
		return nil
	}
	if err != nil || planErr != nil && !errors.Is(planErr, os.ErrNotExist) {
		return errors.Join(err, planErr)
	}
	killed := planErr == nil && (len(data) == 0 || bytes.Equal(data, planned))
	if string(data) != before {
		if !killed {
			return nil
		}
		err = os.WriteFile(path, []byte(before), 0o644) // now the plan may change
	}
	if err == nil {
		err = os.WriteFile(plan, []byte(now), 0o600)
	}
	if err == nil {
		err = os.WriteFile(path, []byte(now), 0o644)
	}
	return err
}

// readBeginning reads at most that many bytes of a file that may be the container's, and of any size.
func readBeginning(path string, size int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(size)))
}
