package network

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// HostsInput is what a container's /etc/hosts is made of.
type HostsInput struct {
	Hostname      string
	ContainerName string
	// Address is the container's; invalid where it has none of its own.
	Address netip.Addr
	// Host is how the container reaches the host; invalid where it cannot.
	Host netip.Addr
	// Add are the user's NAME:IP; IP may be host-gateway, the host.
	Add []string
}

// Hosts writes a container's /etc/hosts (hosts(5)). The user's lines come first: the first match counts. A malformed one
// is errdefs.ErrInvalid.
func Hosts(in HostsInput) ([]byte, error) {
	var b bytes.Buffer
	for _, text := range in.Add {
		address, name, err := parseAddHost(text, in.Host)
		if err != nil {
			return nil, err
		}
		line(&b, address.String(), []string{name})
	}
	b.WriteString("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
	if in.Host.IsValid() {
		line(&b, in.Host.String(), []string{"host.containers.internal", "host.docker.internal"})
	}
	names := slices.DeleteFunc([]string{in.Hostname, in.ContainerName}, func(s string) bool { return s == "" })
	address := in.Address
	if !address.IsValid() {
		address = netip.AddrFrom4([4]byte{127, 0, 1, 1}) // as Debian: the name resolves without a network
	}
	line(&b, address.String(), slices.Compact(names))
	return b.Bytes(), nil
}

func parseAddHost(text string, host netip.Addr) (netip.Addr, string, error) {
	name, ip, ok := strings.Cut(text, ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t\n#") {
		return netip.Addr{}, "", errdefs.Errorf(errdefs.ErrInvalid, "cannot add host %q: write NAME:IP", text)
	}
	if ip == "host-gateway" {
		if !host.IsValid() {
			return host, "", errdefs.Errorf(errdefs.ErrInvalid, "cannot add host %q: the container cannot reach the host", text)
		}
		return host, name, nil
	}
	address, err := netip.ParseAddr(strings.Trim(ip, "[]"))
	if err != nil {
		return address, "", errdefs.Errorf(errdefs.ErrInvalid, "cannot add host %q: %q is not an IP address", text, ip)
	}
	return address, name, nil
}
