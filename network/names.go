package network

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/mosscontainers/moss/network/uplink"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Names is what a container shall know by name.
type Names struct {
	Name     string // of the container
	Hostname string
	// Resolvers are the addresses of the networks that serve names, or Attachment's; empty where none does.
	Resolvers []netip.Addr
	// Servers, Search and Options replace the host's where they are not empty; Search "." is none.
	Servers, Search, Options []string
	// Domain is one that comes before the host's search domains, if it has any: a domain of the host's with an answer to every name would have
	// those of containers, too.
	Domain   string
	AddHosts []string // NAME[;NAME…]:ADDRESS, or :host-gateway
	// Base is what the hosts file begins with, unless it is nil: then that is localhost, or with ModeHost the host's file.
	Base []byte
	// Internal says that the container reaches nobody outside of its networks, not this host either.
	Internal bool
	// Host is Attachment's, or the one that was asked for.
	Host netip.Addr
	// NoHost leaves the names of this machine out.
	NoHost bool
}

// ResolvConf is the content of a container's resolv.conf (resolv.conf(5)).
func ResolvConf(mode string, n Names) string {
	host := hostResolver()
	switch mode {
	case ModeHost:
	case ModeNone:
		host = resolver{}
	default: // the uplink asks the host's servers, which may be on its loopback
		host.servers = []string{uplink.In(uplink.Subnet).DNS.String()}
		if n.Internal {
			host.servers = nil
		}
		if len(n.Resolvers) > 0 {
			host.servers = addresses(n.Resolvers)
		}
		host.searchFirst(n.Domain)
	}
	for _, choice := range []struct{ given, into *[]string }{
		{&n.Servers, &host.servers}, {&n.Search, &host.search}, {&n.Options, &host.options},
	} {
		if len(*choice.given) > 0 {
			*choice.into = *choice.given
		}
	}
	return host.String()
}

// searchFirst puts a domain before those that there are.
func (r *resolver) searchFirst(domain string) {
	if domain != "" && len(r.search) > 0 {
		r.search = append([]string{domain}, r.search...)
	}
}

func addresses(list []netip.Addr) []string {
	text := make([]string, len(list))
	for i, a := range list {
		text[i] = a.String()
	}
	return text
}

// resolver is what a resolv.conf says.
type resolver struct{ servers, search, options []string }

func (r resolver) String() string {
	var b strings.Builder
	if len(r.search) > 0 && !slices.Equal(r.search, []string{"."}) {
		fmt.Fprintf(&b, "search %s\n", strings.Join(r.search, " "))
	}
	for _, s := range r.servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	if len(r.options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(r.options, " "))
	}
	return b.String()
}

// hostResolver reads the host's resolv.conf; a host without one has no servers.
func hostResolver() resolver {
	data, _ := os.ReadFile("/etc/resolv.conf")
	return parseResolver(data)
}

func parseResolver(data []byte) resolver {
	var r resolver
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			r.servers = append(r.servers, fields[1])
		case "search", "domain": // the last one counts
			r.search = fields[1:]
		case "options":
			r.options = append(r.options, fields[1:]...)
		}
	}
	return r
}

// localhost are the lines that every hosts(5) has.
const localhost = "127.0.0.1\tlocalhost localhost.localdomain\n::1\tlocalhost ip6-localhost ip6-loopback\n"

// Hosts is the content of a container's hosts file. addrs are the container's addresses. host.containers.internal and host.docker.internal are the address from which the host itself reaches the
// outside: its loopback, 10.0.2.2 to slirp4netns, is kept out of a container's reach.
func Hosts(mode string, n Names, addrs []netip.Addr) (string, error) {
	b := &strings.Builder{}
	outside := n.Host
	if !outside.IsValid() && !n.Internal {
		outside = hostAddress(mode)
	}
	if slices.Contains(addrs, outside) { // it leads to the container itself
		outside = netip.Addr{}
	}
	if err := addedHosts(b, n.AddHosts, outside); err != nil {
		return "", err
	}
	if base := bytes.TrimRight(n.base(mode), "\n"); len(base) > 0 {
		fmt.Fprintf(b, "%s\n", base)
	}
	if own := ownNames(n); len(own) > 0 {
		if len(addrs) == 0 {
			addrs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
		}
		for _, addr := range addrs {
			fmt.Fprintf(b, "%s\t%s\n", addr, strings.Join(own, " "))
		}
	}
	if outside.IsValid() && !n.NoHost {
		fmt.Fprintf(b, "%s\t%s\n", outside, strings.Join(HostNames(), " "))
	}
	return b.String(), nil
}

// base is what a hosts file begins with. Every one knows localhost (RFC 6761, 6.3).
func (n *Names) base(mode string) []byte {
	base := n.Base
	if base == nil && mode == ModeHost {
		base, _ = os.ReadFile("/etc/hosts") // a host may have none
	}
	if bytes.Contains(base, []byte("localhost")) {
		return base
	}
	return append([]byte(localhost), base...)
}

func ownNames(n Names) []string {
	own := []string{}
	for _, name := range []string{n.Hostname, n.Name} {
		if name != "" && !slices.Contains(own, name) {
			own = append(own, name)
		}
	}
	return own
}

// addedHosts writes the lines of --add-host first, as the first line with a name wins.
func addedHosts(b *strings.Builder, add []string, outside netip.Addr) error {
	for _, entry := range add {
		names, value, ok := strings.Cut(entry, ":")
		fields := strings.FieldsFunc(names, func(r rune) bool { return r == ';' })
		if !ok || len(fields) == 0 || strings.ContainsAny(names, " \t\n#") {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot add the host %q: write NAME:ADDRESS", entry)
		}
		ip := outside
		if value != "host-gateway" {
			var err error
			if ip, err = netip.ParseAddr(strings.Trim(value, "[]")); err != nil || ip.Zone() != "" {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot add the host %q: %q is not an IP address", entry, value)
			}
		}
		if !ip.IsValid() {
			return errdefs.Errorf(errdefs.ErrUnavailable, "cannot add the host %q: this container cannot reach the host", entry)
		}
		fmt.Fprintf(b, "%s\t%s\n", ip, strings.Join(fields, " "))
	}
	return nil
}

// hostAddress is the address under which containers of this mode reach the host; not valid if they cannot.
func hostAddress(mode string) netip.Addr {
	switch mode {
	case ModeNone:
		return netip.Addr{}
	case ModeHost:
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return HostAddress()
}

// HostNames are the names of this machine in containers.
func HostNames() []string { return []string{"host.containers.internal", "host.docker.internal"} }

// HostAddress is the address from which this machine reaches the outside; not valid if it does not.
func HostAddress() netip.Addr {
	// Connecting a UDP socket sends nothing: it asks the kernel for a route and its source address.
	conn, err := net.Dial("udp4", "192.0.2.1:9") // TEST-NET-1, RFC 5737
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
}
