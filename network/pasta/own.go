package pasta

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/uplink"
)

// Addresses of a namespace that has the host's own: it asks for names, and finds the host, where nobody else is (RFC 3927).
var (
	ownDNS  = netip.AddrFrom4([4]byte{169, 254, 1, 1})
	ownHost = netip.AddrFrom4([4]byte{169, 254, 1, 2})
)

// mapGateway is an option that pasta has not, to have the gateway's address lead to the host's loopback, which pasta does by itself.
const mapGateway = "--map-gw"

// ownArguments are for a namespace that has the host's addresses, unless the user says otherwise.
func (p Pasta) ownArguments(o uplink.Options, link *uplink.Link) []string {
	args := []string{}
	missing := func(value string, names ...string) {
		if _, ok := given(o.Arguments, names...); ok {
			return
		}
		args = append(args, names[0])
		if value != "" {
			args = append(args, value)
		}
	}
	for _, ports := range [][]string{{"--tcp-ports", "-t"}, {"--udp-ports", "-u"}, {"--tcp-ns", "-T"}, {"--udp-ns", "-U"}} {
		missing("none", ports...)
	}
	if !slices.Contains(o.Arguments, mapGateway) {
		missing("", "--no-map-gw")
	}
	missing(ownDNS.String(), "--dns-forward")
	link.IPv4.DNS = ownDNS
	if text, ok := given(o.Arguments, "--dns-forward"); ok {
		link.IPv4.DNS, _ = netip.ParseAddr(text) // pasta says what is wrong with it
	}
	if p.Sound() { // else it has no such option
		missing(ownHost.String(), "--map-guest-addr")
		link.Host = ownHost
	}
	return append(args, slices.DeleteFunc(slices.Clone(o.Arguments), func(s string) bool { return s == mapGateway })...)
}

// given is the value of the first of these options that is among the arguments.
func given(arguments []string, names ...string) (value string, ok bool) {
	for i, arg := range arguments {
		for _, name := range names {
			switch {
			case arg == name && i+1 < len(arguments):
				return arguments[i+1], true
			case arg == name:
				return "", true
			case strings.HasPrefix(arg, name+"="):
				return arg[len(name)+1:], true
			}
		}
	}
	return "", false
}

// look finds out what the namespace of the calling thread was given.
func look(link *uplink.Link) error {
	links, err := netlink.LinkList()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(links, func(l netlink.Link) bool { return l.Attrs().Name != "lo" })
	if i < 0 {
		return errors.New("pasta has made no interface")
	}
	link.Interface, link.MTU = links[i].Attrs().Name, links[i].Attrs().MTU
	for _, f := range []struct {
		family    int
		addresses *uplink.Addresses
	}{{netlink.FAMILY_V4, &link.IPv4}, {netlink.FAMILY_V6, &link.IPv6}} {
		if err := lookFor(links[i], f.family, f.addresses); err != nil {
			return fmt.Errorf("cannot see what pasta gave to %s: %w", link.Interface, err)
		}
	}
	return nil
}

func lookFor(l netlink.Link, family int, a *uplink.Addresses) error {
	addrs, err := netlink.AddrList(l, family)
	if err != nil {
		return err
	}
	for _, addr := range addrs {
		if p, err := netip.ParsePrefix(addr.IPNet.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
			a.Own = p
			break
		}
	}
	routes, err := netlink.RouteList(l, family)
	for _, route := range routes {
		if gw, ok := netip.AddrFromSlice(route.Gw); ok {
			a.Gateway = gw.Unmap()
		}
	}
	return err
}
