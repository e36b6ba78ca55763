package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/network/egress"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// Connection is one cable that a container shall have.
type Connection struct {
	Network *netconf.Network
	spec.Connection
	// Last is what the container had there before, which it gets again if it can; nil when there is none.
	Last *spec.Endpoint
	// Egress are the lists of whom the container may reach; none is everybody.
	Egress []egress.List
	// Hosts are the names that the container's /etc/hosts is going to have.
	Hosts map[string][]netip.Addr
}

// cable is one that is being laid: from a bridge, by a handle in the user's namespace, to a container's namespace.
type cable struct {
	want  Connection
	got   spec.Endpoint
	to    int // the bridge's index
	id    string
	h     *netlink.Handle
	peer  *os.File
	rules rulebook
}

// claim makes the veth pair under the first name that is free, and by that leases the addresses. On the way out with an error nothing
// is left.
func (c *cable) claim() (netlink.Link, error) {
	if err := c.want.CheckAddresses(); err != nil {
		return nil, err
	}
	link, err := c.claim4()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(c.claim6(link), c.claimName(link)); err != nil {
		return nil, errors.Join(err, c.h.LinkDel(link))
	}
	if err := c.hold(link); err != nil {
		return nil, errors.Join(err, c.h.LinkDel(link))
	}
	return link, nil
}

// claim4 leases an IPv4 address. A network without any has one cable to each container, whose name says no more than that.
func (c *cable) claim4() (link netlink.Link, err error) {
	s, ok := c.want.Network.Subnet4()
	if !ok {
		name := bareName(c.id, c.want.Network.NetworkInterface)
		link, err = c.makeLink(name, bareMAC(name))
		return link, c.explained(err)
	}
	c.got.Gateway = s.Gateway
	var last netip.Addr
	if c.want.Last != nil {
		last = c.want.Last.Address.Addr()
	}
	c.got.Address, err = c.choose(s, c.want.IP, last, func(addr netip.Addr) error {
		link, err = c.makeLink(vethName(addr), macOf(addr))
		return err
	})
	return link, err
}

// claim6 leases an IPv6 address, by a second name of the link.
func (c *cable) claim6(link netlink.Link) (err error) {
	s, ok := c.want.Network.Subnet6()
	if !ok {
		return nil
	}
	c.got.Gateway6 = s.Gateway
	var last netip.Addr
	if c.want.Last != nil {
		last = c.want.Last.Address6.Addr()
	}
	c.got.Address6, err = c.choose(s, c.want.IP6, last, func(addr netip.Addr) error {
		name := claimName6(addr)
		return c.retry(name, func() error { return c.h.LinkAddAltName(link, name) })
	})
	return err
}

// claimName gives the link the name that was asked for, beside those that lease its addresses.
func (c *cable) claimName(link netlink.Link) error {
	name := c.want.HostInterface
	if name == "" {
		return nil
	}
	err := c.retry(name, func() error { return c.h.LinkAddAltName(link, name) })
	if errors.Is(err, syscall.EEXIST) {
		return errdefs.Errorf(errdefs.ErrConflict, "cannot use the interface name %s on network %q: another interface in the user's network namespace has it", name, c.want.Network.Name)
	}
	return c.explained(err)
}

// A container whose end was just told keeps its address until the kernel has taken its namespace apart: so long is waited for one
// that is wanted, or for any where there is no other.
const (
	endingTries = 50
	endingPause = 10 * time.Millisecond
)

// choose leases an address of a subnet by lease, which returns EEXIST for one that somebody has: the one that is wanted, else the
// last one, else any.
func (c *cable) choose(s netconf.Subnet, wanted, last netip.Addr, lease func(netip.Addr) error) (netip.Prefix, error) {
	got, err := c.first(s, wanted, last, lease)
	for try := 0; errors.Is(err, syscall.EEXIST) && try < endingTries; try++ {
		time.Sleep(endingPause)
		got, err = c.first(s, wanted, last, lease)
	}
	if !errors.Is(err, syscall.EEXIST) {
		return netip.PrefixFrom(got, s.Subnet.Bits()), c.explained(err)
	}
	if wanted.IsValid() {
		return netip.Prefix{}, c.taken(wanted)
	}
	return netip.Prefix{}, errdefs.Errorf(errdefs.ErrConflict, "cannot find a free address on network %q: all of %s are in use", c.want.Network.Name, poolName(s))
}

// first leases the first address that is free of those that may be chosen; EEXIST is that none is.
func (c *cable) first(s netconf.Subnet, wanted, last netip.Addr, lease func(netip.Addr) error) (netip.Addr, error) {
	if wanted.IsValid() {
		return wanted, lease(wanted)
	}
	if s.Subnet.Contains(last) {
		if err := lease(last); !errors.Is(err, syscall.EEXIST) {
			return last, err
		}
	}
	p := newPool(s)
	for try := range p.tries() {
		addr, ok := p.candidate(c.id, try)
		if !ok || c.want.Network.Reserved(addr) {
			continue
		}
		if err := lease(addr); !errors.Is(err, syscall.EEXIST) {
			return addr, err
		}
	}
	return netip.Addr{}, syscall.EEXIST
}

func (c *cable) explained(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot connect the container to network %q: %w", c.want.Network.Name, err)
}

func (c *cable) makeLink(name string, mac net.HardwareAddr) (link netlink.Link, err error) {
	err = c.retry(name, func() error {
		link, err = c.makeVeth(name, mac)
		return err
	})
	return link, err
}

// retry takes a name for a link. Where an earlier life of the same container has it, it tries once more.
func (c *cable) retry(name string, take func() error) error {
	err := take()
	if errors.Is(err, syscall.EEXIST) && c.stale(name) {
		err = take()
	}
	return err
}

// stale removes the link of an earlier life of the same container, whose namespace the kernel has
// not finished removing, and says whether there was one.
func (c *cable) stale(name string) bool {
	link, err := c.h.LinkByName(name)
	return err != nil || (link.Attrs().Alias == c.id && c.h.LinkDel(link) == nil)
}

// CheckAddresses says whether the network has the addresses that are asked for.
func (c *Connection) CheckAddresses() error {
	for _, addr := range []netip.Addr{c.IP, c.IP6} {
		if addr.IsValid() && !slices.ContainsFunc(c.Network.Subnets, func(s netconf.Subnet) bool { return s.Offers(addr) }) {
			return c.foreign(addr)
		}
	}
	return nil
}

// foreign is the sentence for an address that the network does not have.
func (c *Connection) foreign(addr netip.Addr) error {
	subnets := "no addresses of this kind"
	for _, s := range c.Network.Subnets {
		if s.Subnet.Addr().Is4() == addr.Is4() {
			subnets = s.Subnet.String() + ", of which " + s.Gateway.String() + " is the gateway's"
		}
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the address %s on network %q: it has %s", addr, c.Network.Name, subnets)
}

// taken is the sentence for an address that another container has.
func (c *cable) taken(addr netip.Addr) error {
	name := claimName6(addr)
	if addr.Is4() {
		name = vethName(addr)
	}
	who := "another container"
	if link, err := c.h.LinkByName(name); err == nil && link.Attrs().Alias != "" {
		who = "container " + names.Short(link.Attrs().Alias)
	}
	return errdefs.Errorf(errdefs.ErrConflict, "cannot use the address %s on network %q: %s has it", addr, c.want.Network.Name, who)
}
