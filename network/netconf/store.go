package netconf

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/record"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Store are the networks of one graph root.
type Store struct {
	Dir    string   // <graphroot>/moss/networks: one directory per network
	Podman []string // directories with Podman's own records, of netavark's and of CNI's, which are read only
	// Meet is a directory of the user's on a tmpfs where all stores that are in use tell of themselves.
	Meet string
	// Subnet is the default network's; not valid: that of Default.
	Subnet netip.Prefix
	// Pools are what subnets are taken from, in order; none are Podman's.
	Pools []Pool
}

const (
	recordFile = "network.json"
	// hidden begins the name of a directory that is no network, or no longer one.
	hidden = "."
)

func (s *Store) dir(name string) string { return filepath.Join(s.Dir, name) }

// Default is the network of containers that ask for none. Where its subnet was chosen, it is not on the bridge of the default network of
// those who chose another one, or none.
func (s *Store) Default() *Network {
	n := Default()
	n.Created = s.made()
	if !s.Subnet.IsValid() || s.Subnet == n.Subnets[0].Subnet {
		return n
	}
	sum := sha256.Sum256([]byte(DefaultName + "\x00" + s.Subnet.String()))
	n.Owner = hex.EncodeToString(sum[:])
	n.NetworkInterface = "moss" + hex.EncodeToString(sum[:5])
	n.Subnets = []Subnet{{Subnet: s.Subnet, Gateway: s.Subnet.Addr().Next()}}
	return n
}

// made is when the directory was made that the store's is in: since then there is the default network. Where there is nothing yet it is made now.
func (s *Store) made() time.Time {
	at, err := sys.Born(filepath.Dir(s.Dir))
	if err != nil {
		return time.Now()
	}
	return at
}

// Find reads the network with this name, id, or beginning of an id, which can be used.
func (s *Store) Find(ref string) (*Network, error) {
	n, err := s.Look(ref)
	if err == nil {
		err = n.Damaged
	}
	return n, err
}

// Look reads it to be shown: one of Podman's that cannot be used here has Damaged set.
func (s *Store) Look(ref string) (*Network, error) {
	if IsDefault(ref) {
		return s.Default(), nil
	}
	if names.Validate(ref) == nil {
		if n, err := s.byName(ref); !errors.Is(err, os.ErrNotExist) {
			return n, err
		}
	}
	all, err := s.All()
	if err != nil {
		return nil, err
	}
	var found []*Network
	for _, n := range all {
		if strings.HasPrefix(n.ID, ref) && ref != "" || n.Name == ref {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "no such network: %q; moss network ls lists them", ref)
	case 1:
		if !found[0].Foreign {
			return found[0], found[0].Damaged
		}
		return found[0], nil
	}
	return nil, errdefs.Errorf(errdefs.ErrConflict, "the id %q begins several networks; give more of it, or the name", ref)
}

// byName reads one of our own records.
func (s *Store) byName(name string) (*Network, error) {
	path := filepath.Join(s.dir(name), recordFile)
	n, err := read(path)
	if err != nil {
		return nil, err
	}
	if err := checkInterface(n.NetworkInterface); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot understand the network in %s: its network_interface is %q: %w", path, n.NetworkInterface, err)
	}
	n.Name, n.ID = name, ID(name)
	n.Owner = s.owner(n)
	return n, nil
}

// read reads a record of ours or of Podman's.
func read(path string) (*Network, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	n := &Network{}
	if err = json.Unmarshal(data, n); err != nil {
		err = record.Explain(data, err)
	} else {
		err = record.Check(n.Format)
	}
	switch {
	case errors.Is(err, errdefs.ErrNewer):
		return nil, fmt.Errorf("cannot use the network in %s: %w", path, err)
	case err != nil:
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot understand the network in %s: %w", path, err)
	}
	return n, nil
}

// owner is made from all that makes a network another one.
func (s *Store) owner(n *Network) string {
	sum := sha256.Sum256([]byte(s.Dir + "\x00" + n.Name + "\x00" + n.Created.UTC().Format(time.RFC3339Nano)))
	return hex.EncodeToString(sum[:])
}

// bridgeName is that of a network for whose bridge nobody chose one. Stores of one user share a namespace.
func (s *Store) bridgeName(name string) string {
	sum := sha256.Sum256([]byte(s.Dir + "\x00" + name))
	return "moss" + hex.EncodeToString(sum[:5])
}

// All are all networks, by name, the default one among them. Damaged records hide no others: they are among them, with
// Damaged set.
func (s *Store) All() ([]*Network, error) {
	all := []*Network{s.Default()}
	entries, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot list the networks: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), hidden) {
			continue
		}
		n, err := s.byName(e.Name())
		if err != nil {
			n = &Network{Name: e.Name(), ID: ID(e.Name()), NetworkInterface: s.bridgeName(e.Name()), Damaged: err}
		}
		all = append(all, n)
	}
	all = append(all, s.podmans(all)...)
	slices.SortFunc(all, func(a, b *Network) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// podmans are the networks that Podman made, but for those whose names are known already.
func (s *Store) podmans(known []*Network) []*Network {
	var found []*Network
	for _, dir := range s.Podman {
		for _, kind := range []struct {
			pattern string
			read    func(path string) (*Network, error)
		}{{"*.json", read}, {"*.conflist", readCNI}} {
			files, _ := filepath.Glob(filepath.Join(dir, kind.pattern)) // the patterns are good ones
			for _, path := range files {
				if there, err := os.Stat(path); err != nil || !there.Mode().IsRegular() { // a pipe would be waited for
					continue
				}
				n, err := kind.read(path)
				if err != nil || names.Validate(n.Name) != nil || n.Driver == "" {
					continue
				}
				named := func(k *Network) bool { return k.Name == n.Name }
				if !slices.ContainsFunc(known, named) && !slices.ContainsFunc(found, named) {
					s.adopt(n, path)
					found = append(found, n)
				}
			}
		}
	}
	return found
}

// adopt makes a network of Podman's, which is in a file, one that is used here.
func (s *Store) adopt(n *Network, path string) {
	n.Foreign, n.ID = true, ID(n.Name)
	n.NetworkInterface, n.Owner = s.bridgeName(n.Name), s.owner(n)
	if n.Created.IsZero() { // CNI has no such field, and Podman tells that of the file, too
		n.Created, _ = sys.Born(path) // it was just read
	}
	if err := n.checkDriver(); err != nil {
		n.Damaged = errdefs.Errorf(errdefs.ErrUnavailable, "cannot use the network in %s: %w", path, err)
	} else if err := cmp.Or(n.Damaged, n.checkOptions(), n.checkSubnets()); err != nil {
		n.Damaged = errdefs.Errorf(errdefs.ErrInvalid, "cannot use the network in %s: %w", path, err)
	}
}
