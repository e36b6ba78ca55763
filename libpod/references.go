package libpod

import (
	"errors"
	"os"
	"strings"

	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// checkReferences says at once what the description names and this host does not have: whoever creates a
// container learns it then, not when somebody starts it. A start looks again.
func (e *Engine) checkReferences(c *spec.Container) error {
	for _, m := range c.Mounts.Mounts {
		if m.Type != spec.MountBind {
			continue
		}
		if _, err := os.Stat(m.Source); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot mount %s at %s: %w", m.Source, m.Target, onHost(err))
		}
	}
	for _, mode := range []string{c.PID, c.IPC, c.UTS, c.Cgroup, c.Network.Network} {
		ref, ok := strings.CutPrefix(mode, "container:")
		if !ok {
			continue
		}
		if _, err := e.Lookup(ref); err != nil {
			return err
		}
	}
	_, err := e.networkMode(c)
	return err
}

// onHost says in words what a look at a path of the host's came to.
func onHost(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return errors.New("no such file or directory on the host")
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// NetworkName is the name of the network that a container is on, also where its description leaves it open.
func (e *Engine) NetworkName(c *spec.Container) string {
	name := c.Network.Network
	if isDefaultNetwork(name) {
		name = e.Config.Containers.Network
	}
	if isDefaultNetwork(name) {
		return network.ModeSlirp
	}
	return name
}

// NetworkNames are all the names by which somebody may ask for the network that a container is on.
func (e *Engine) NetworkNames(c *spec.Container) []string {
	names := []string{e.NetworkName(c)}
	if isDefaultNetwork(c.Network.Network) || names[0] == e.NetworkName(&spec.Container{}) {
		names = append(names, "default", "bridge")
	}
	return names
}

// isDefaultNetwork knows the words of Docker and Podman for what they do unasked.
func isDefaultNetwork(name string) bool {
	switch name {
	case "", "default", "private", "bridge":
		return true
	}
	return false
}

// networkMode is the mode of package network. A namespace that somebody else made needs no set-up.
func (e *Engine) networkMode(c *spec.Container) (string, error) {
	mode := e.NetworkName(c)
	kind, _, _ := strings.Cut(mode, ":")
	switch kind {
	case "ns", "container":
		return network.ModeHost, nil
	case network.ModeNone, network.ModeHost, network.ModeSlirp:
		return mode, nil
	}
	return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot use network %q: use slirp4netns, none, host or container:NAME", mode)
}
