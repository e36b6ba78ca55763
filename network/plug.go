package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Plug connects a namespace that a container has already. It has what it got: a container that was connected before
// (Connection.Last) gets the same again, if that is free.
func Plug(ctx context.Context, r Request, netns *os.File) ([]spec.Endpoint, error) {
	user, pipe, err := r.userNamespace(ctx)
	if pipe != nil {
		defer pipe.Close() // the container has one open
	}
	if err != nil {
		return nil, err
	}
	defer user.Close()
	a := &Attachment{NetNS: netns}
	err = a.plug(user, &r, false)
	return a.Endpoints, err
}

// plug claims addresses and configures both ends of the cables, and whatever else a fresh namespace needs. One thread visits the user's namespace, then
// the container's, and is thrown away.
func (a *Attachment) plug(user *os.File, r *Request, fresh bool) error {
	a.rules = r.rulebook(user)
	return inside(user, func(outer *netlink.Handle) error {
		networks := make([]*netconf.Network, len(r.Connections))
		for i := range r.Connections {
			networks[i] = r.Connections[i].Network
		}
		bridges, err := ensureBridges(outer, r.lockPath(), networks)
		if err != nil {
			return err
		}
		inner, err := a.enter()
		if err != nil {
			return err
		}
		defer inner.Close()
		if fresh {
			if err := prepare(inner, r.Published); err != nil {
				return err
			}
			if err := r.isolate(inner); err != nil {
				return err
			}
		}
		taken, err := r.taken(inner, fresh)
		if err != nil {
			return err
		}
		if fresh {
			return a.lay(r, bridges, outer, inner, taken)
		}
		kept, err := keptAddresses(inner)
		if err != nil {
			return err
		}
		r.recall(kept)
		if err := a.lay(r, bridges, outer, inner, taken); err != nil {
			return err
		}
		return leaveAddresses(outer, inner, kept)
	})
}

// enter moves the calling thread into the container's namespace.
func (a *Attachment) enter() (inner *netlink.Handle, err error) {
	if err := sys.Setns(a.NetNS, sys.CloneNet); err != nil {
		return nil, err
	}
	return netlink.NewHandle(syscall.NETLINK_ROUTE)
}

// lay lays all cables, or none. taken are the names of interfaces that are not free.
func (a *Attachment) lay(r *Request, bridges []int, outer, inner *netlink.Handle, taken map[string]bool) error {
	for i := range r.Connections {
		c := cable{want: r.Connections[i], to: bridges[i], id: r.ContainerID, h: outer, peer: a.NetNS, rules: a.rules}
		if err := c.lay(inner, taken); err != nil {
			return errors.Join(err, a.unplug(outer, r))
		}
		a.Endpoints = append(a.Endpoints, c.got)
	}
	if !prefers(r.Connections) {
		return nil
	}
	at := make([]*spec.Endpoint, len(a.Endpoints))
	for i := range a.Endpoints {
		at[i] = &a.Endpoints[i]
	}
	if err := reroute(inner, r.Connections, at); err != nil {
		return errors.Join(err, a.unplug(outer, r))
	}
	return nil
}

// isolate gives a container that begins on no network an address at which its published ports can be served once it is on one.
func (r *Request) isolate(inner *netlink.Handle) error {
	if !r.Published || len(r.Connections) > 0 {
		return nil
	}
	return errors.Join(keepAddress(inner, published.Nowhere().Address), admit(inner, false))
}

// prepare sets up a new namespace.
func prepare(inner *netlink.Handle, published bool) error {
	if err := raiseLoopback(inner); err != nil {
		return err
	}
	if published {
		return routeAnswers(inner)
	}
	return nil
}

// taken are the names of interfaces that are not free: those that are there, and those that were asked for.
func (r *Request) taken(inner *netlink.Handle, fresh bool) (map[string]bool, error) {
	taken := map[string]bool{}
	if !fresh {
		links, err := steady(inner.LinkList)
		if err != nil {
			return nil, err
		}
		for _, link := range links {
			taken[link.Attrs().Name] = true
		}
	}
	for i := range r.Connections {
		c := &r.Connections[i]
		if c.Interface != "" && taken[c.Interface] {
			return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot connect the container to network %q: it has another interface %q", c.Network.Name, c.Interface)
		}
		if c.Interface != "" {
			taken[c.Interface] = true
		}
	}
	return taken, nil
}

// lay lays one cable.
func (c *cable) lay(inner *netlink.Handle, taken map[string]bool) error {
	c.got.Network, c.got.Aliases, c.got.Interface = c.want.Network.Name, c.want.Aliases, c.want.Interface
	for n := 0; c.got.Interface == ""; n++ {
		if name := "eth" + strconv.Itoa(n); !taken[name] {
			c.got.Interface = name
		}
	}
	taken[c.got.Interface] = true
	link, err := c.claim()
	if err != nil {
		return err
	}
	if err := c.configure(link, inner); err != nil {
		err = fmt.Errorf("cannot configure %s of the container: %w", c.got.Interface, err)
		return errors.Join(err, unplug(c.h, c.id, c.want.Network.NetworkInterface, &c.got))
	}
	return nil
}

// unplug takes back the cables that were laid.
func (a *Attachment) unplug(h *netlink.Handle, r *Request) error {
	var errs []error
	for i := range a.Endpoints {
		errs = append(errs, unplug(h, r.ContainerID, r.Connections[i].Network.NetworkInterface, &a.Endpoints[i]))
	}
	a.Endpoints = nil
	return errors.Join(errs...)
}

// Unplug disconnects a container that runs from a network where it has an endpoint.
func Unplug(r Request, n *netconf.Network, e *spec.Endpoint) error {
	return r.there(func(h *netlink.Handle) error { return unplug(h, r.ContainerID, n.NetworkInterface, e) })
}

// unplug removes a cable of a container's; one that is not there is fine.
func unplug(h *netlink.Handle, id, bridge string, e *spec.Endpoint) error {
	link, err := h.LinkByName(cableName(id, bridge, e))
	if err != nil || link.Attrs().Alias != id {
		return nil
	}
	if err := h.LinkDel(link); err != nil {
		return fmt.Errorf("cannot disconnect the container from network %q: %w", e.Network, err)
	}
	return nil
}
