package network

import (
	"os"

	"github.com/vishvananda/netlink"
)

// Sweep takes from a container that runs the cables that a killed command has left there, and tells the networks whose cable such a command has taken
// away. connections are those that it has, each with its Last. A cable is found by its other end, since one that was just made does not say yet whose it is.
func Sweep(r Request, netns *os.File, connections []Connection) (lost []string, err error) {
	known := map[string]string{}
	for i := range connections {
		if at := connections[i].Last; at != nil {
			known[cableName(r.ContainerID, connections[i].Network.NetworkInterface, at)] = at.Network
		}
	}
	err = r.visit(func(h *netlink.Handle) error {
		links, err := steady(h.LinkList)
		if err != nil {
			return err
		}
		peer, err := h.GetNetNsIdByFd(int(netns.Fd())) // the kernel has numbered it when it told of a cable
		if err != nil {
			return err
		}
		if err := sweep(h, links, peer, known); err != nil {
			return err
		}
		for _, link := range links {
			if link.Attrs().Alias == r.ContainerID {
				delete(known, link.Attrs().Name)
			}
		}
		for _, network := range known {
			lost = append(lost, network)
		}
		return nil
	})
	return lost, err
}

// sweep removes the cables to a namespace but for those that are known.
func sweep(h *netlink.Handle, links []netlink.Link, peer int, known map[string]string) error {
	for _, link := range links {
		attrs := link.Attrs()
		if _, is := known[attrs.Name]; is || peer < 0 || link.Type() != "veth" || attrs.NetNsID != peer {
			continue
		}
		if err := h.LinkDel(link); err != nil {
			return err
		}
	}
	return nil
}
