package libpod

import (
	"path/filepath"
	"strings"

	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/rootless"
)

// pendingNetwork is a container's network while it is being made, which takes the kernel a while.
type pendingNetwork struct {
	mode string
	done chan struct{} // closed when what follows is known
	a    *network.Attachment
	err  error
}

// makeNetwork begins to make the network of a container whose description is complete; nil is for one that shares another's. wait or
// abandon follows.
func (e *Engine) makeNetwork(ctx Context, c *spec.Container) (*pendingNetwork, error) {
	mode, err := e.networkMode(c)
	if err != nil || strings.HasPrefix(c.Network.Network, "container:") {
		return nil, err
	}
	n := &pendingNetwork{mode: mode, done: make(chan struct{})}
	request := network.Request{
		ContainerID: c.ID, Mode: mode, Published: len(c.Ports) > 0,
		// Where the uplink leaves its traces is one of the user, as the namespace is, for all stores.
		UserNetNS: e.userNetNS(), ExitPipe: e.NS.ExitPipe(), RunDir: filepath.Join(e.Config.RuntimeDir, "moss", "network"),
		Outlive: outlive,
	}
	go func() {
		defer close(n.done)
		n.a, n.err = network.Attach(ctx, request)
	}()
	return n, nil
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
	if a, err := n.wait(); err == nil {
		a.Close()
	}
	return nil // whoever needed it knows the error
}

// userNetNS is the user's network namespace, "" as real root.
func (e *Engine) userNetNS() string {
	if !rootless.Rootless() {
		return ""
	}
	return e.NS.NetNS()
}
