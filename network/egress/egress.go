// Package egress holds containers to lists of whom they may reach, by rules in the user's network namespace: nothing that a
// container does in its own namespace, as root and with raw sockets, is out of their reach.
//
// What a container with a list sends is looked at twice. Where it comes out of its cable, in the bridge, it must have the
// container's own addresses; it then goes to the bridge's own address, whoever it was for, so that everything is routed, also what
// is for a neighbour. There connections are known, and the lists are asked. So is what neighbours send to the container, that the
// kernel knows its answers. ARP and neighbour discovery alone stay in the bridge, if they tell of the container itself.
//
// Names are for the DNS server: it puts the addresses of listed names into sets before it tells them.
package egress

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Rule is one line of a list: whom a container may reach, and at which ports. The zero Rule is nobody.
type Rule struct {
	Prefix netip.Prefix // not valid where Name says whom
	// Name is in lower case and without a dot at its end. One that begins with "*." stands for all names below it.
	Name string
	// First and Last are ports of TCP and UDP. 0 and 0 are all of them, and the other protocols.
	First, Last uint16
}

// List is whom one list allows; an empty one allows nobody.
type List []Rule

// Names are those of a list, in its order: the n-th one's addresses are in the n-th sets.
func (l List) Names() []string {
	names := []string{}
	for _, r := range l {
		if r.Name != "" {
			names = append(names, r.Name)
		}
	}
	return names
}

// Cable is a container's cable to a bridge of the user's namespace, and the lists that hold on it: only what all of them allow
// may pass.
type Cable struct {
	Container string // its id
	Bridge    string // the bridge's name
	Index     int    // of the cable's end at the bridge
	MAC       net.HardwareAddr
	BridgeMAC net.HardwareAddr
	// Address and Address6 are the container's, with the length of the network's prefix; those that it does not have are not valid.
	Address, Address6 netip.Prefix
	// Gateways are the bridge's addresses, at which the DNS server is asked.
	Gateways []netip.Addr
	Lists    []List
	// Hosts are names that the container knows without asking.
	Hosts map[string][]netip.Addr
}

// key names what there is of a cable.
func key(container, bridge string) string { return container + "." + bridge }

// setName is the set of addresses of the n-th name of a list.
func setName(key string, list, n int, v6 bool) string {
	name := key + "." + strconv.Itoa(list) + "." + strconv.Itoa(n)
	if v6 {
		return name + ".6"
	}
	return name + ".4"
}

// Match says whether a name, in lower case and without a dot at its end, is what a list's name stands for. A backslash is before a dot
// that belongs to a label (RFC 1035, 5.1), so that such a name may be below another one than it looks.
func Match(listed, name string) bool {
	if below, ok := strings.CutPrefix(listed, "*"); ok {
		return len(name) > len(below) && strings.HasSuffix(name, below) && !strings.Contains(name, `\`)
	}
	return listed == name
}

// Allowed says whether all of several lists have a name.
func Allowed(lists [][]string, name string) bool {
	for _, list := range lists {
		if !slices.ContainsFunc(list, func(listed string) bool { return Match(listed, name) }) {
			return false
		}
	}
	return true
}
