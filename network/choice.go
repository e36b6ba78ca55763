package network

import (
	"strings"

	"github.com/mosscontainers/moss/network/gvisor"
	"github.com/mosscontainers/moss/network/pasta"
	"github.com/mosscontainers/moss/network/slirp"
	"github.com/mosscontainers/moss/network/uplink"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Choice says which program connects containers with the outside.
type Choice struct {
	// Name is that of the one to take; "" is the first that is there.
	Name string
	// Program is the content of the one that moss carries.
	Program func() ([]byte, error)
}

// all are the programs in the order in which they are taken.
func (c Choice) all() []uplink.Uplink {
	return []uplink.Uplink{gvisor.Uplink{Program: c.Program}, slirp.Slirp{}, pasta.Pasta{}}
}

// Find is the program to take. Errors are ErrInvalid for a name that nobody knows, and ErrUnavailable.
func (c Choice) Find() (uplink.Uplink, error) {
	if c.Name != "" {
		return c.named()
	}
	var there uplink.Uplink
	for _, u := range c.all() {
		if _, err := u.Find(); err != nil {
			continue
		}
		if u.Sound() {
			return u, nil
		}
		there = u
	}
	if there == nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot connect to the network: this program carries no moss-uplink, and neither slirp4netns nor pasta is installed; install one (apt install slirp4netns), or use --network host or --network none")
	}
	return there, nil
}

func (c Choice) named() (uplink.Uplink, error) {
	var names []string
	for _, u := range c.all() {
		if u.Name() == c.Name {
			if _, err := u.Find(); err != nil {
				return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot connect to the network: %w, or let moss choose (unset MOSS_UPLINK and default_rootless_network_cmd in containers.conf)", err)
			}
			return u, nil
		}
		names = append(names, u.Name())
	}
	return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot connect to the network by %q, as MOSS_UPLINK or default_rootless_network_cmd in containers.conf says: want %s", c.Name, strings.Join(names, ", "))
}
