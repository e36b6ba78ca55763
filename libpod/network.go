package libpod

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"github.com/mosscontainers/moss/libpod/embedded"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/rootless"
)

// pendingNetwork is a container's network while it is being made, which takes the kernel a while.
type pendingNetwork struct {
	mode        string
	connections []network.Connection
	named       chan struct{} // closed when netns is known
	netns       *os.File      // nil where there is none, and after an error
	done        chan struct{} // closed when the rest is known
	a           *network.Attachment
	err         error
	forwarder   *pendingForwarder // nil when no port is published
}

// makeNetwork begins to make the network of a container whose description is complete; nil is for one that shares another's. last is what
// it had when it ran before. wait or abandon follows.
func (e *Engine) makeNetwork(ctx Context, c *spec.Container, last []spec.Endpoint) (*pendingNetwork, error) {
	mode, err := e.networkMode(c)
	if err != nil || strings.HasPrefix(c.Network.Mode, "container:") {
		return nil, err
	}
	mode = e.withDefaults(c, mode)
	n := &pendingNetwork{mode: mode, named: make(chan struct{}), done: make(chan struct{})}
	if n.connections, err = e.connections(c, last); err != nil {
		return nil, err
	}
	for _, c := range n.connections {
		if c.Network.Name == netconf.DefaultName {
			continue
		}
		if err := e.networks().Join(); err != nil {
			return nil, err
		}
	}
	if len(c.Ports) > 0 && network.NeedsNetNS(mode) {
		n.forwarder = e.holdForwarder(ctx)
	}
	go func() {
		defer close(n.done)
		if n.err = n.makeNamespace(); n.err != nil {
			return
		}
		n.err = e.surviving(ctx, func() (err error) {
			request := e.networkRequest()
			request.ContainerID, request.Mode, request.Published = c.ID, mode, len(c.Ports) > 0
			request.Connections, request.NetNS = n.connections, n.netns
			n.a, err = network.Attach(ctx, request)
			return err
		})
	}()
	goruntime.Gosched() // the network first: much of its time the kernel waits
	return n, nil
}

// reviveTries bounds how long a holder may take to die, and how often its successor may be killed.
const reviveTries = 50

// surviving does what needs what the holder keeps: once more where the holder was killed meanwhile.
func (e *Engine) surviving(ctx Context, do func() error) error {
	err := do()
	for try := 0; try < reviveTries && lacksHolder(err) && ctx.Err() == nil; try++ {
		e.revive(ctx)
		err = do()
	}
	return err
}

// lacksHolder says that an error is as those get whose holder was killed after they had joined what it kept.
func lacksHolder(err error) bool {
	return rootless.Rootless() && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission))
}

// revive sees to it that the namespaces have a holder, or waits for a moment: one that is being killed looks alive.
func (e *Engine) revive(ctx Context) {
	if !e.NS.Held() {
		if _, err := e.NS.Revive(ctx); err == nil {
			return
		}
	}
	time.Sleep(time.Millisecond)
}

// networkRequest is what is the same for all containers.
func (e *Engine) networkRequest() network.Request {
	return network.Request{
		UserNetNS: e.userNetNS(), ExitPipe: e.NS.ExitPipe(), RunDir: e.networkDir(), Uplink: e.uplinkChoice(), Outlive: outlive,
	}
}

// networkDir is where what serves the networks leaves its traces: one directory of the user, as the namespace is, for all stores.
func (e *Engine) networkDir() string { return filepath.Join(e.Config.RuntimeDir, "moss", "network") }

func (n *pendingNetwork) makeNamespace() (err error) {
	defer close(n.named)
	if network.NeedsNetNS(n.mode) {
		n.netns, err = network.NewNetNS()
	}
	return err
}

// namespace is the container's, as soon as there is one; nil where it has none of its own, and after an error, which wait tells.
func (n *pendingNetwork) namespace() *os.File {
	if n == nil {
		return nil
	}
	<-n.named
	return n.netns
}

func (n *pendingNetwork) wait() (*network.Attachment, error) {
	<-n.done
	return n.a, n.err
}

// abandon lets go of the network; a container that has been started keeps it. It is nothing on nil.
func (n *pendingNetwork) abandon() error {
	if n == nil {
		return nil
	}
	_ = n.forwarder.release() // the monitor has a connection of its own
	if a, err := n.wait(); err == nil {
		a.Close()
	} else if n.netns != nil {
		n.netns.Close()
	}
	return nil // whoever needed it knows the error
}

// connections are those that a container's description asks for. last is what it had before.
func (e *Engine) connections(c *spec.Container, last []spec.Endpoint) ([]network.Connection, error) {
	if c.Network.Mode != spec.NetworkBridge {
		return nil, nil
	}
	list := make([]network.Connection, len(c.Networks))
	for i, want := range c.Networks {
		n, err := e.networks().Find(want.Name)
		if err != nil {
			return nil, err
		}
		if n.Name != want.Name { // the name of one that is gone may begin another's id
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "no such network: %q; moss network ls lists them", want.Name)
		}
		if list[i], err = connection(c, n, want); err != nil {
			return nil, err
		}
		list[i].Last = (&state.Network{Endpoints: last}).Endpoint(want.Name)
	}
	return list, nil
}

// withDefaults adds what containers.conf says of a container's own network. What the container says comes after it, and wins.
func (e *Engine) withDefaults(c *spec.Container, mode string) string {
	kind, given, has := strings.Cut(c.Network.Mode, ":")
	options := e.Config.Containers.PastaOptions
	if kind == network.ModeSlirp {
		options = e.Config.Containers.NetworkCommandOpts
	}
	if len(options) == 0 || kind != network.ModeSlirp && kind != network.ModePasta {
		return mode
	}
	if has {
		options = append(slices.Clone(options), given)
	}
	return kind + ":" + strings.Join(options, ",")
}

func (e *Engine) uplinkChoice() network.Choice {
	return network.Choice{Name: e.Config.Containers.Uplink, Program: embedded.Uplink}
}

// shownEvents is how many events of the network log are shown.
const shownEvents = 3

func (e *Engine) uplinkInfo() (info UplinkInfo) {
	chosen, err := e.uplinkChoice().Find()
	if err != nil {
		info.Problem = err.Error()
	} else {
		info.Chosen = chosen.Name()
		info.Path, _ = chosen.Find() // it has been found
	}
	if link, ok := network.Running(e.networkDir()); ok {
		info.Running, info.Pid, info.MTU, info.IPv6 = link.Uplink, link.Process.Pid, link.MTU, link.IPv6.Own.IsValid()
	}
	info.Log = e.healLog()
	info.Events = lastEvents(info.Log, shownEvents)
	return info
}

// userNetNS is the user's network namespace, "" as real root.
func (e *Engine) userNetNS() string {
	if !rootless.Rootless() {
		return ""
	}
	return e.NS.NetNS()
}
