package libpod

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mosscontainers/moss/libpod/inspect"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// networks are the records of this store.
func (e *Engine) networks() *netconf.Store {
	store := &netconf.Store{
		Dir: filepath.Join(e.Store.Dir, "networks"), Podman: e.Config.NetworkDirs, Meet: filepath.Join(e.networkDir(), "stores"),
		Subnet: e.Config.Containers.Subnet,
	}
	for _, p := range e.Config.Containers.SubnetPools {
		store.Pools = append(store.Pools, netconf.Pool(p))
	}
	return store
}

// IsNetwork says whether somebody who asks for the network ref means the one of this name.
func (e *Engine) IsNetwork(name, ref string) bool {
	return name == ref || name == netconf.DefaultName && netconf.IsDefault(ref) ||
		len(ref) >= 3 && strings.HasPrefix(netconf.ID(name), ref)
}

// Networks are all networks, by name.
func (e *Engine) Networks() ([]*netconf.Network, error) { return e.networks().All() }

// Network finds a network by name or id.
func (e *Engine) Network(ref string) (*netconf.Network, error) { return e.networks().Find(ref) }

// LookNetwork finds a network as Network does, also one of Podman's that cannot be used here: it is Damaged.
func (e *Engine) LookNetwork(ref string) (*netconf.Network, error) { return e.networks().Look(ref) }

// CreateNetwork adds a network, whose description it completes.
func (e *Engine) CreateNetwork(n *netconf.Network, o netconf.CreateOptions) error {
	taken, err := network.Subnets(e.networkRequest())
	if err != nil {
		return err
	}
	o.Taken = append(o.Taken, taken...)
	return e.networks().Create(n, o)
}

// UpdateNetwork changes a network's record. Containers that run learn what the DNS server knows.
func (e *Engine) UpdateNetwork(ref string, change func(*netconf.Network) error) error {
	n, err := e.networks().Update(ref, change)
	if err != nil {
		return err
	}
	return e.tellNetwork(n)
}

// NetworkUsers are the containers on a network.
func (e *Engine) NetworkUsers(name string) ([]*state.Container, error) {
	containers, err := e.List()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(containers, func(c *state.Container) bool {
		return c.Damaged != nil || c.Spec.Connection(name) == nil
	}), nil
}

// RemoveNetwork removes a network. With force its containers are removed before.
func (e *Engine) RemoveNetwork(ctx Context, ref string, force bool, timeout *uint) error {
	return e.removeNetwork(ref, func(n *netconf.Network) error {
		users, err := e.NetworkUsers(n.Name)
		if err != nil {
			return err
		}
		if len(users) > 0 && !force {
			return errdefs.Errorf(errdefs.ErrConflict, "cannot remove network %q: %s; remove or disconnect what is on it first, or remove all of it with -f", n.Name, areOn(users))
		}
		for _, c := range users {
			err := e.Remove(ctx, c.Spec.ID, RemoveOptions{Force: true, Timeout: timeout})
			if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
				return err
			}
		}
		return nil
	})
}

// areOn says which containers are on a network.
func areOn(users []*state.Container) string {
	if len(users) == 1 {
		return "container " + users[0].Spec.Name + " is on it"
	}
	return "containers " + namesOf(users) + " are on it"
}

func namesOf(containers []*state.Container) string {
	names := make([]string, len(containers))
	for i, c := range containers {
		names[i] = c.Spec.Name
	}
	return strings.Join(names, ", ")
}

// removeNetwork removes a network's record and what there is of it, if settle has nothing against it.
func (e *Engine) removeNetwork(ref string, settle func(*netconf.Network) error) error {
	return e.networks().Remove(ref, func(n *netconf.Network) error {
		if err := settle(n); err != nil {
			return err
		}
		return errors.Join(network.RemoveBridge(e.networkRequest(), n), e.forgetNetwork(n))
	})
}

// errUsed keeps a prune from a network.
var errUsed = errors.New("used")

// PruneNetworks removes the networks that no container is on and that match allows, and returns their names.
func (e *Engine) PruneNetworks(match func(*netconf.Network) bool) ([]string, error) {
	all, err := e.Networks()
	if err != nil {
		return nil, err
	}
	var removed []string
	var errs []error
	for _, n := range all {
		if n.Name == netconf.DefaultName || n.Foreign || n.Damaged != nil || !match(n) {
			continue
		}
		err := e.removeNetwork(n.Name, func(n *netconf.Network) error {
			users, err := e.NetworkUsers(n.Name)
			if err == nil && len(users) > 0 {
				err = errUsed
			}
			return err
		})
		switch {
		case err == nil:
			removed = append(removed, n.Name)
		case errors.Is(err, errdefs.ErrConflict): // a container is just being made that uses it
		case !errors.Is(err, errUsed) && !errors.Is(err, errdefs.ErrNotFound):
			errs = append(errs, err)
		}
	}
	return removed, errors.Join(errs...)
}

// useNetworks keeps the networks that a container's description names from being removed until release.
func (e *Engine) useNetworks(ctx Context, c *spec.Container) (release func() error, err error) {
	var locks []*sys.Lock
	release = func() error {
		var errs []error
		for _, lock := range locks {
			errs = append(errs, lock.Unlock())
		}
		return errors.Join(errs...)
	}
	for i := range c.Networks {
		if netconf.IsDefault(c.Networks[i].Name) {
			continue
		}
		n, err := e.Network(c.Networks[i].Name)
		if err != nil {
			return nil, errors.Join(err, release())
		}
		lock, err := e.networks().Hold(ctx, n)
		if err != nil {
			return nil, errors.Join(err, release())
		}
		if lock != nil {
			locks = append(locks, lock)
		}
	}
	return release, nil
}

// nameNetworks puts the names of networks where somebody gave ids.
func (e *Engine) nameNetworks(c *spec.Container) error {
	for i := range c.Networks {
		n, err := e.Network(c.Networks[i].Name)
		if err != nil {
			return err
		}
		c.Networks[i].Name = n.Name
	}
	return nil
}

// InspectNetwork is the document of one network, which may be one that cannot be used (LookNetwork).
func (e *Engine) InspectNetwork(ref string) (*inspect.NetworkData, error) {
	n, err := e.LookNetwork(ref)
	if err != nil {
		return nil, err
	}
	users, err := e.NetworkUsers(n.Name)
	if err != nil {
		return nil, err
	}
	return inspect.Network(n, users), nil
}
