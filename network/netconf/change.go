package netconf

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// CreateOptions say how a network is made.
type CreateOptions struct {
	NoIPv4 bool
	// Taken are subnets that the network must not have, beside those of other networks and of the host's routes.
	Taken []netip.Prefix
}

// Create adds a network whose description n it completes. ErrConflict says that its name or a subnet is taken.
func (s *Store) Create(n *Network, o CreateOptions) error {
	n.Driver = cmp.Or(n.Driver, Bridge)
	n.ID, n.Created = ID(n.Name), time.Now().Round(0)
	if n.IPAMOptions == nil {
		n.IPAMOptions = map[string]string{}
	}
	n.IPAMOptions["driver"] = cmp.Or(n.IPAMOptions["driver"], IPAMLocal)
	n.NetworkInterface = cmp.Or(n.NetworkInterface, n.Options[dockerBridge])
	if err := n.check(); err != nil {
		return err
	}
	lock, err := s.meet()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if found, err := s.Look(n.Name); err == nil && found.Name == n.Name { // it may begin another's id
		return errdefs.Errorf(errdefs.ErrConflict, "cannot make network %q: it exists already", n.Name)
	}
	if err := s.settle(n, o); err != nil {
		return err
	}
	if err := errors.Join(s.Join(), s.add(n)); err != nil {
		return errdefs.NoSpace(fmt.Errorf("cannot make network %q: %w", n.Name, err))
	}
	return nil
}

// settle chooses the subnets and the bridge. All stores of the user are locked out.
func (s *Store) settle(n *Network, o CreateOptions) error {
	others, err := s.everybodys()
	if err != nil {
		return err
	}
	hosts, err := HostRoutes()
	if err != nil {
		return err
	}
	taken := slices.Concat(o.Taken, hosts)
	for _, other := range others {
		for _, sub := range other.Subnets {
			taken = append(taken, sub.Subnet)
		}
	}
	for _, sub := range n.Subnets {
		if clash, ok := Overlap(sub.Subnet, taken); ok {
			return errdefs.Errorf(errdefs.ErrConflict, "cannot make network %q: its subnet %s overlaps %s, which another network or this machine uses; choose another", n.Name, sub.Subnet, clash)
		}
	}
	if err := s.allocate(n, !o.NoIPv4, taken); err != nil {
		return err
	}
	_, n.IPv6Enabled = n.Subnet6()
	if n.NetworkInterface == "" {
		n.NetworkInterface = s.bridgeName(n.Name)
	} else if slices.ContainsFunc(others, func(o *Network) bool { return o.NetworkInterface == n.NetworkInterface }) {
		return errdefs.Errorf(errdefs.ErrConflict, "cannot make network %q: another one has the interface %s; choose another", n.Name, n.NetworkInterface)
	}
	n.Owner = s.owner(n)
	return nil
}

// add writes a new record: the network is there whole or not at all.
func (s *Store) add(n *Network) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	if err := sys.Sweep(s.Dir, hidden, sys.TryLockDir); err != nil { // of killed commands
		return err
	}
	staging := s.dir(hidden + rand.Text()) // one of a command that was just killed may still be there
	if err := os.Mkdir(staging, 0o700); err != nil {
		return err
	}
	if err := write(staging, n); err != nil {
		return errors.Join(err, os.RemoveAll(staging))
	}
	if err := os.Rename(staging, s.dir(n.Name)); err != nil {
		return errors.Join(err, os.RemoveAll(staging))
	}
	return sys.Sync(s.Dir)
}

// write replaces the record in a network's directory.
func write(dir string, n *Network) error {
	data, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, recordFile)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	if err := sys.Sync(path + ".new"); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return sys.Sync(dir)
}

// Update replaces the record of a network by what change makes of it.
func (s *Store) Update(ref string, change func(*Network) error) (*Network, error) {
	lock, err := s.meet()
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	n, err := s.own(ref, "change")
	if err == nil {
		err = change(n)
	}
	if err != nil {
		return nil, err
	}
	if err := n.check(); err != nil {
		return nil, err
	}
	if err := write(s.dir(n.Name), n); err != nil {
		return nil, errdefs.NoSpace(fmt.Errorf("cannot change network %q: %w", n.Name, err))
	}
	return n, nil
}

// own finds a network that is ours to change.
func (s *Store) own(ref, what string) (*Network, error) {
	n, err := s.Look(ref)
	switch {
	case err != nil:
		return nil, err
	case n.Name == DefaultName:
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot %s network %q: it is the default network", what, n.Name)
	case n.Foreign:
		return nil, errdefs.Errorf(errdefs.ErrConflict, "cannot %s network %q: it is Podman's; use podman network", what, n.Name)
	}
	return n, nil
}

// Hold keeps a network from being removed until the lock is let go; nil is for one that nobody can remove. Whoever removes one with its containers has the lock for
// as long as they take to end.
func (s *Store) Hold(ctx context.Context, n *Network) (*sys.Lock, error) {
	if n.Foreign || n.Name == DefaultName {
		return nil, nil
	}
	for {
		lock, err := sys.AwaitLockDir(ctx, s.dir(n.Name), true)
		if errors.Is(err, os.ErrNotExist) {
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "no such network: %q; moss network ls lists them", n.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot use network %q: %w", n.Name, err)
		}
		if isAt(lock.File(), s.dir(n.Name)) {
			return lock, nil
		}
		if err := lock.Unlock(); err != nil { // it was removed while we waited
			return nil, err
		}
	}
}

// isAt says whether an open file still is what a path names.
func isAt(f *os.File, path string) bool {
	there, err := os.Lstat(path)
	if err != nil {
		return false
	}
	open, err := f.Stat()
	return err == nil && os.SameFile(open, there)
}

// Remove makes a network not be. settle is asked before, while nobody can begin to use it.
func (s *Store) Remove(ref string, settle func(*Network) error) error {
	n, err := s.own(ref, "remove")
	if errors.Is(err, errdefs.ErrDamaged) || errors.Is(err, errdefs.ErrNewer) {
		n, err = &Network{Name: ref, ID: ID(ref), NetworkInterface: s.bridgeName(ref)}, nil
	}
	if err != nil {
		return err
	}
	lock, free, err := sys.TryLockDir(s.dir(n.Name))
	if err != nil {
		return fmt.Errorf("cannot remove network %q: %w", n.Name, err)
	}
	if !free {
		return errdefs.Errorf(errdefs.ErrConflict, "cannot remove network %q: a container that uses it is just being made; try again", n.Name)
	}
	defer lock.Unlock()
	if err := settle(n); err != nil {
		return err
	}
	trash := s.dir(hidden + rand.Text())
	if err := os.Rename(s.dir(n.Name), trash); err != nil {
		return fmt.Errorf("cannot remove network %q: %w", n.Name, err)
	}
	return errors.Join(os.RemoveAll(trash), sys.Sync(s.Dir))
}
