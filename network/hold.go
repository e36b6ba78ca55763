package network

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/egress"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// rulebook is where the rules of egress lists are made.
type rulebook struct {
	user *os.File // the user's network namespace
	lock string   // the path of a file that is locked by whoever changes them
}

func (r *Request) rulebook(user *os.File) rulebook {
	return rulebook{user, filepath.Join(r.RunDir, "egress.lock")}
}

// hold makes the rules of the container's egress lists, if it has some, while its cable is down.
func (c *cable) hold(link netlink.Link) error {
	if len(c.want.Egress) == 0 {
		return nil
	}
	if !c.got.Address.IsValid() && !c.got.Address6.IsValid() {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot hold the container to an egress list on network %q: it gives no addresses to tell the container by", c.want.Network.Name)
	}
	held, err := c.held(link)
	if err == nil {
		err = sys.InNetNS(c.rules.user, func() error {
			return errors.Join(quicken(held.Bridge), egress.Hold(*held, c.rules.lock, c.lives))
		})
	}
	if err == nil {
		err = c.pin(link, held.MAC)
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot hold the container to its egress list on network %q: %w; the kernel may lack nf_tables for bridges", c.want.Network.Name, err)
	}
	return nil
}

// pin tells the bridge who is at a cable's end, for good: some frames, such as those of LLDP, teach it before any rule sees them.
func (c *cable) pin(link netlink.Link, mac net.HardwareAddr) error {
	if err := c.h.LinkSetLearning(link, false); err != nil {
		return err
	}
	return c.h.NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, Family: syscall.AF_BRIDGE, State: netlink.NUD_NOARP, Flags: netlink.NTF_MASTER, HardwareAddr: mac,
	})
}

// held is the cable as the rules are about it.
func (c *cable) held(link netlink.Link) (*egress.Cable, error) {
	bridge, err := c.h.LinkByIndex(c.to)
	if err != nil {
		return nil, err
	}
	mac, err := net.ParseMAC(c.got.MAC)
	if err != nil {
		return nil, err
	}
	held := &egress.Cable{
		Container: c.id, Bridge: bridge.Attrs().Name, Index: link.Attrs().Index, MAC: mac, BridgeMAC: bridge.Attrs().HardwareAddr,
		Address: c.got.Address, Address6: c.got.Address6, Lists: c.want.Egress, Hosts: c.want.Hosts,
	}
	for _, g := range []netip.Addr{c.got.Gateway, c.got.Gateway6} {
		if g.IsValid() {
			held.Gateways = append(held.Gateways, g)
		}
	}
	return held, nil
}

// lives says whether there is a link of an index, or may be.
func (c *cable) lives(index int) bool {
	_, err := c.h.LinkByIndex(index)
	return !errors.As(err, new(netlink.LinkNotFoundError))
}

// quicken sets the calling thread's namespace up for lists: it does not tell neighbours of a shorter way (redirects would be sent for
// either of the settings), where everything between them is routed on purpose, and says each time that it refuses something,
// not once a second. A kernel may have no IPv6.
func quicken(bridge string) error {
	for _, name := range []string{
		"ipv4/conf/all/send_redirects", "ipv4/conf/" + bridge + "/send_redirects", "ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit",
	} {
		err := os.WriteFile("/proc/sys/net/"+name, []byte("0"), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
