package network

import (
	"os"

	"github.com/vishvananda/netlink"
)

// Sweep takes from a container that runs the cables that a killed command has left there. connections are those that it has, each with its
// Last. A cable is found by its other end, since one that was just made does not say yet whose it is.
func Sweep(r Request, netns *os.File, connections []Connection) error {
	known := map[string]bool{}
	for i := range connections {
		if at := connections[i].Last; at != nil {
			known[cableName(r.ContainerID, connections[i].Network.NetworkInterface, at)] = true
		}
	}
	return r.visit(func(h *netlink.Handle) error {
		links, err := steady(h.LinkList)
		if err != nil {
			return err
		}
		peer, err := h.GetNetNsIdByFd(int(netns.Fd())) // the kernel has numbered it when it told of a cable
		if err != nil {
			return err
		}
		return sweep(h, links, peer, known)
	})
}

// sweep removes the cables to a namespace but for those that are known.
func sweep(h *netlink.Handle, links []netlink.Link, peer int, known map[string]bool) error {
	for _, link := range links {
		attrs := link.Attrs()
		if peer < 0 || link.Type() != "veth" || attrs.NetNsID != peer || known[attrs.Name] {
			continue
		}
		if err := h.LinkDel(link); err != nil {
			return err
		}
	}
	return nil
}
