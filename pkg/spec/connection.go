package spec

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Connection is a bridge network that the container is on, and what it asks for there.
type Connection struct {
	Name      string     `json:"name"`
	IP        netip.Addr `json:"ip,omitzero"` // not valid: any that is free
	IP6       netip.Addr `json:"ip6,omitzero"`
	MAC       string     `json:"mac,omitempty"`
	Aliases   []string   `json:"aliases,omitempty"`   // names beside the container's
	Interface string     `json:"interface,omitempty"` // "" is the next free of eth0, eth1, …
	// HostInterface is another name of the end that is in the user's network namespace.
	HostInterface string `json:"hostInterface,omitempty"`
	// LinkLocal are more addresses of the interface, of 169.254.0.0/16 or fe80::/10.
	LinkLocal []netip.Addr `json:"linkLocal,omitempty"`
	Links     []string     `json:"links,omitempty"` // ParseLink: containers whose addresses there /etc/hosts has
	// GatewayPriority: the network where it is highest has the default route.
	GatewayPriority int `json:"gwPriority,omitempty"`
}

// parseConnection reads NAME[:KEY=VALUE,…], as Podman has it, or name=NAME,KEY=VALUE,…, as Docker does.
func parseConnection(s string) (Connection, error) {
	name, options, _ := strings.Cut(s, ":")
	if first, rest, _ := strings.Cut(s, ","); strings.HasPrefix(first, "name=") {
		name, options = strings.TrimPrefix(first, "name="), rest
	}
	c := Connection{Name: name}
	if !volumeName(name) { // the same letters
		return c, plain("%q is no name of a network", name)
	}
	if options == "" {
		return c, nil
	}
	for option := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(option, "=")
		if a, err := netip.ParseAddr(value); key == "ip" && err == nil && a.Is6() {
			key = "ip6" // Podman's ip is of either kind
		}
		if err := c.Set(key, value); err != nil {
			return c, err
		}
	}
	return c, nil
}

// Set takes one option: ip, ip6, mac, alias, interface_name, host_interface_name, gw-priority or driver-opt; and link-local-ip and link, which are flags only.
func (c *Connection) Set(key, value string) (err error) {
	switch key {
	case "ip":
		c.IP, err = parseIP(value, 4)
	case "ip6":
		c.IP6, err = parseIP(value, 6)
	case "mac", "mac-address":
		c.MAC, err = parseMAC(value)
	case "alias":
		c.Aliases, err = appendAlias(c.Aliases, value)
	case "interface_name":
		c.Interface = value
		err = checkInterfaceName(value)
	case "host_interface_name":
		c.HostInterface = value
		err = checkHostInterface(value)
	case "gw-priority":
		if c.GatewayPriority, err = strconv.Atoi(value); err != nil {
			err = plain("%q is no priority of a gateway: want a whole number", value)
		}
	case "driver-opt":
		err = c.setDriverOption(value)
	case "link-local-ip":
		err = c.addLinkLocal(value)
	case "link":
		err = c.addLink(value)
	default:
		err = plain("there is no option %q; there are ip, ip6, mac, alias, interface_name, host_interface_name and gw-priority", key)
	}
	return err
}

// setDriverOption takes KEY=VALUE, as Docker has it.
func (c *Connection) setDriverOption(s string) error {
	const name = "com.docker.network.endpoint.ifname"
	key, value, _ := strings.Cut(s, "=")
	if key != name {
		return plain("there is no driver option %q for one container; there is %s", key, name)
	}
	return c.Set("interface_name", value)
}

// addLinkLocal takes an address that is good for the own wire only: RFC 3927, RFC 4291.
func (c *Connection) addLinkLocal(s string) error {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || !a.IsLinkLocalUnicast() {
		return plain("%q is no address of 169.254.0.0/16 or fe80::/10", s)
	}
	if !slices.Contains(c.LinkLocal, a) {
		c.LinkLocal = append(c.LinkLocal, a)
	}
	return nil
}

func (c *Connection) addLink(s string) error {
	if _, _, err := ParseLink(s); err != nil {
		return err
	}
	if !slices.Contains(c.Links, s) {
		c.Links = append(c.Links, s)
	}
	return nil
}

// ParseLink reads CONTAINER[:ALIAS]: who is known as what beside its name.
func ParseLink(s string) (container, alias string, err error) {
	container, alias, has := strings.Cut(s, ":")
	container = strings.TrimPrefix(container, "/") // Docker's names begin so
	if !has {
		alias = container
	}
	if _, err := appendAlias(nil, alias); err != nil || !volumeName(container) || strings.ContainsAny(alias, ":;") {
		return "", "", plain("want CONTAINER[:ALIAS]")
	}
	return container, alias, nil
}

func parseIP(s string, version int) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.Is4() != (version == 4) || a.Is4In6() {
		return netip.Addr{}, plain("%q is not an IPv%d address", s, version)
	}
	return a, nil
}

// parseMAC reads six bytes in hexadecimal, with colons or dashes between them.
func parseMAC(s string) (string, error) {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == '-' })
	good, all := len(parts) == 6 && len(s) == 17, uint64(0)
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 16, 8)
		all |= n
		good = good && err == nil && (i > 0 || n&1 == 0) // the lowest bit of the first is for groups
	}
	if !good || all == 0 {
		return "", plain("%q is not the address of an interface, such as 02:6d:0a:58:00:02", s)
	}
	return strings.ToLower(strings.Join(parts, ":")), nil
}

// appendAlias refuses names that nobody could ask the DNS server for (RFC 1035, 2.3.4, with the underscores of names of containers).
func appendAlias(list []string, alias string) ([]string, error) {
	good := len(alias) <= 253
	for label := range strings.SplitSeq(alias, ".") {
		good = good && label != "" && len(label) <= 63 && isHostLabel(label)
	}
	if !good {
		return list, plain("%q is no name for a host: want parts of 1 to 63 letters, digits, hyphens and underscores, with dots between", alias)
	}
	if slices.Contains(list, alias) {
		return list, nil
	}
	return append(list, alias), nil
}

// checkInterfaceName has the kernel's rules (dev_valid_name).
func checkInterfaceName(name string) error {
	const ifnamsiz = 16
	if name == "" || len(name) >= ifnamsiz || name == "." || name == ".." || name == "lo" || strings.ContainsAny(name, "/:% \t\n\r\v\f") {
		return plain("%q is no name for an interface: it has at most 15 characters, and no '/', ':' or space", name)
	}
	return nil
}

// checkHostInterface refuses names that something of Moss's own may want there, too.
func checkHostInterface(name string) error {
	for _, ours := range []string{"moss", "tap", "veth"} {
		if strings.HasPrefix(name, ours) {
			return plain("%q is no name for an interface outside of the container: names that begin with %s are Moss's", name, ours)
		}
	}
	return checkInterfaceName(name)
}

// validate checks what did not come from a flag.
func (c *Connection) validate() error {
	if !volumeName(c.Name) {
		return invalid("network", c.Name, "it is no name of a network")
	}
	if c.IP.IsValid() && !c.IP.Is4() {
		return invalid("ip", c.IP.String(), "want an IPv4 address")
	}
	if c.IP6.IsValid() && !c.IP6.Is6() {
		return invalid("ip6", c.IP6.String(), "want an IPv6 address")
	}
	if c.MAC != "" {
		if _, err := parseMAC(c.MAC); err != nil {
			return invalid("mac-address", c.MAC, "%w", err)
		}
	}
	for _, alias := range c.Aliases {
		if _, err := appendAlias(nil, alias); err != nil {
			return invalid("network-alias", alias, "%w", err)
		}
	}
	if err := c.validateLinks(); err != nil {
		return err
	}
	if c.Interface != "" {
		if err := checkInterfaceName(c.Interface); err != nil {
			return err
		}
	}
	if c.HostInterface != "" {
		return checkHostInterface(c.HostInterface)
	}
	return nil
}

func (c *Connection) validateLinks() error {
	var seen Connection
	for _, a := range c.LinkLocal {
		if err := seen.addLinkLocal(a.String()); err != nil {
			return invalid("link-local-ip", a.String(), "%w", err)
		}
	}
	for _, l := range c.Links {
		if err := seen.addLink(l); err != nil {
			return invalid("link", l, "%w", err)
		}
	}
	return nil
}
