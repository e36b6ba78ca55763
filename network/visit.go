package network

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/network/uplink"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Subnets are those that are in use in the user's namespace, the uplink's among them, also when there is no such namespace yet.
func Subnets(r Request) (list []netip.Prefix, err error) {
	err = r.visit(func(h *netlink.Handle) error {
		list, err = subnets(h)
		return err
	})
	return append(list, uplink.Subnet, uplink.Subnet6), err
}

// RemoveBridge removes what the user's namespace has of a network that nobody is on any more.
func RemoveBridge(r Request, n *netconf.Network) error {
	return r.visit(func(h *netlink.Handle) error {
		link, err := h.LinkByName(n.NetworkInterface)
		if err != nil || link.Attrs().Alias != n.Owner || n.Owner == "" {
			return nil
		}
		if err := h.LinkDel(link); err != nil {
			return fmt.Errorf("cannot remove the bridge of network %q: %w", n.Name, err)
		}
		return unsort(n.NetworkInterface)
	})
}

// visit calls do on a thread in the user's namespace, if there is one.
func (r *Request) visit(do func(*netlink.Handle) error) error {
	if err := r.there(do); !errors.Is(err, errNowhere) {
		return err
	}
	return nil
}

// there is visit for those who know that there is one, as a container that runs is in it: while its holder and the uplink are dead, nobody finds it.
func (r *Request) there(do func(*netlink.Handle) error) error {
	netns, ok := r.open()
	if !ok {
		return errNowhere
	}
	defer netns.Close()
	return inside(netns, do)
}

// errNowhere is about a user's network namespace that nobody finds. Whoever knows that there is one has its holder come back.
var errNowhere = fmt.Errorf("cannot find the namespace of the networks: %w", fs.ErrNotExist)

// open opens the user's network namespace, if it is found.
func (r *Request) open() (netns *os.File, ok bool) {
	if netns, ok = r.uplink().running(); ok {
		return netns, ok
	}
	if r.UserNetNS == "" {
		return r.uplink().kept()
	}
	netns, err := os.Open(r.UserNetNS)
	return netns, err == nil
}

// inside calls do on a thread in a namespace.
func inside(netns *os.File, do func(*netlink.Handle) error) error {
	return sys.InNetNS(netns, func() error {
		h, err := netlink.NewHandle(syscall.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("cannot open a netlink socket: %w", err)
		}
		defer h.Close()
		return do(h)
	})
}

func (r *Request) uplink() shared {
	return shared{dir: r.RunDir, netns: r.UserNetNS, exitPipe: r.ExitPipe, choice: r.Uplink, outlive: r.Outlive}
}

func (r *Request) lockPath() string { return filepath.Join(r.RunDir, "lock") }
