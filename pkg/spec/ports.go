package spec

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// PortMapping is one published port: a single port, so that a range is several of these.
type PortMapping struct {
	HostIP        string `json:"hostIP,omitempty"`   // "" is all addresses
	HostPort      uint16 `json:"hostPort,omitempty"` // 0 is "choose one when the container starts"
	HostEnd       uint16 `json:"hostEnd,omitempty"`  // not 0: choose one from HostPort to this
	ContainerPort uint16 `json:"containerPort"`
	Protocol      string `json:"protocol"` // tcp or udp
}

// Exposed is the container's port as an image names it: "80/tcp".
func (p PortMapping) Exposed() string {
	return strconv.Itoa(int(p.ContainerPort)) + "/" + cmp.Or(p.Protocol, "tcp")
}

// Exposed are the ports that the image, --expose or --publish name, as "80/tcp". One may be there twice.
func (n *Network) Exposed() []string {
	list := slices.Clone(n.Expose)
	for _, p := range n.Ports {
		list = append(list, p.Exposed())
	}
	return list
}

func (p PortMapping) validate() error {
	if p.ContainerPort == 0 {
		return invalid("publish", p.Exposed(), "there is no port 0")
	}
	if p.Protocol != "tcp" && p.Protocol != "udp" {
		return invalid("publish", p.Exposed(), "the protocols are tcp and udp")
	}
	if p.HostEnd != 0 && p.HostEnd <= p.HostPort {
		return invalid("publish", fmt.Sprintf("%d-%d:%d", p.HostPort, p.HostEnd, p.ContainerPort), "the range ends before it starts")
	}
	if p.HostIP == "" {
		return nil
	}
	if _, err := netip.ParseAddr(p.HostIP); err != nil {
		return invalid("publish", p.HostIP, "not an IP address")
	}
	return nil
}

// overlaps says that two mappings ask for the same port of the host.
func (p PortMapping) overlaps(o PortMapping) bool {
	if p.HostPort == 0 || p.HostPort != o.HostPort || p.HostEnd+o.HostEnd != 0 || p.Protocol != o.Protocol {
		return false
	}
	if p.HostIP == o.HostIP || p.HostIP == "" || o.HostIP == "" {
		return true
	}
	one, err1 := netip.ParseAddr(p.HostIP)
	two, err2 := netip.ParseAddr(o.HostIP)
	return err1 == nil && err2 == nil && one.Is4() == two.Is4() && (one.IsUnspecified() || two.IsUnspecified())
}

// HostPorts is the port of the host, or the range to choose from, as --publish has it; "" is any.
func (p PortMapping) HostPorts() string {
	switch {
	case p.HostPort == 0:
		return ""
	case p.HostEnd != 0:
		return fmt.Sprintf("%d-%d", p.HostPort, p.HostEnd)
	}
	return strconv.Itoa(int(p.HostPort))
}

// ParsePort reads one --publish: [[IP:][HOSTPORT[-END]]:]PORT[-END][/PROTOCOL]. An IPv6 address is in
// brackets. A range of the host for one port of the container leaves the choice to the start.
func ParsePort(s string) ([]PortMapping, error) {
	rest, protocol, err := splitProtocol(s)
	if err != nil {
		return nil, invalid("publish", s, "%w", err)
	}
	ip, hostPort, port, err := splitPort(rest)
	if err != nil {
		return nil, invalid("publish", s, "%w", err)
	}
	first, last, err := portRange(port)
	if err != nil {
		return nil, invalid("publish", s, "%w", err)
	}
	if hostPort == "" || hostPort == "0" {
		return mappings(ip, 0, first, last-first, protocol), nil
	}
	hostFirst, hostLast, err := portRange(hostPort)
	if err != nil {
		return nil, invalid("publish", s, "%w", err)
	}
	if first == last && hostFirst < hostLast {
		return []PortMapping{{HostIP: ip, HostPort: uint16(hostFirst), HostEnd: uint16(hostLast), ContainerPort: uint16(first), Protocol: protocol}}, nil
	}
	if hostLast-hostFirst != last-first {
		return nil, invalid("publish", s, "the ranges %s and %s differ in length", hostPort, port)
	}
	return mappings(ip, hostFirst, first, last-first, protocol), nil
}

func mappings(ip string, hostFirst, first, n int, protocol string) []PortMapping {
	var all []PortMapping
	for i := range n + 1 {
		p := PortMapping{HostIP: ip, ContainerPort: uint16(first + i), Protocol: protocol}
		if hostFirst != 0 {
			p.HostPort = uint16(hostFirst + i)
		}
		all = append(all, p)
	}
	return all
}

func splitProtocol(s string) (rest, protocol string, err error) {
	rest, protocol, given := strings.Cut(s, "/")
	protocol = strings.ToLower(protocol)
	if !given {
		protocol = "tcp"
	}
	switch protocol {
	case "tcp", "udp":
		return rest, protocol, nil
	case "sctp":
		return rest, protocol, plain("sctp cannot be published: what forwards ports without root speaks tcp and udp")
	}
	return "", "", plain("the protocol is %q, and can be tcp or udp", protocol)
}

// splitPort takes [[IP:]HOSTPORT:]PORT apart.
func splitPort(s string) (ip, hostPort, port string, err error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", "", s, nil
	}
	hostPort, port = s[:i], s[i+1:]
	i = strings.LastIndexByte(hostPort, ':')
	if i < 0 {
		return "", hostPort, port, nil
	}
	ip, hostPort = hostPort[:i], hostPort[i+1:]
	bare := strings.TrimSuffix(strings.TrimPrefix(ip, "["), "]")
	if ip == "" {
		return "", hostPort, port, nil
	}
	addr, err := netip.ParseAddr(bare)
	if err != nil || addr.Is6() && bare == ip {
		return "", "", "", plain("%q is not an IP address (write IPv6 addresses in brackets)", ip)
	}
	return addr.Unmap().String(), hostPort, port, nil // ::ffff:10.0.0.1 is another way to write 10.0.0.1
}

func portRange(s string) (first, last int, err error) {
	from, to, isRange := strings.Cut(s, "-")
	if first, err = portNumber(from); err != nil {
		return 0, 0, err
	}
	if !isRange {
		return first, first, nil
	}
	if last, err = portNumber(to); err != nil {
		return 0, 0, err
	}
	if last < first {
		return 0, 0, plain("the range %s ends before it starts", s)
	}
	return first, last, nil
}

func portNumber(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, plain("%q is not a port number from 1 to 65535", s)
	}
	return int(n), nil
}

// ParseExposed reads PORT[-END][/PROTOCOL] into one PORT/PROTOCOL each. Its errors say what is wrong, not where.
func ParseExposed(s string) ([]string, error) {
	rest, protocol, err := splitProtocol(s)
	if err != nil && protocol != "sctp" { // that a container listens is no more than said here
		return nil, err
	}
	first, last, err := portRange(rest)
	if err != nil {
		return nil, err
	}
	var all []string
	for port := first; port <= last; port++ {
		all = append(all, fmt.Sprintf("%d/%s", port, protocol))
	}
	return all, nil
}
