package spec

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// PortMapping is one published port: a single port, so that a range is several of these.
type PortMapping struct {
	HostIP        string `json:"hostIP,omitempty"`   // "" is all addresses
	HostPort      uint16 `json:"hostPort,omitempty"` // 0 is "choose one when the container starts"
	ContainerPort uint16 `json:"containerPort"`
	Protocol      string `json:"protocol"` // tcp or udp
}

func (p PortMapping) validate() error {
	if p.ContainerPort == 0 {
		return invalid("publish", fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol), "there is no port 0")
	}
	if p.Protocol != "tcp" && p.Protocol != "udp" {
		return invalid("publish", fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol), "the protocols are tcp and udp")
	}
	if p.HostIP == "" {
		return nil
	}
	if _, err := netip.ParseAddr(p.HostIP); err != nil {
		return invalid("publish", p.HostIP, "not an IP address")
	}
	return nil
}

// ParsePort reads one --publish: [[IP:][HOSTPORT[-END]]:]PORT[-END][/PROTOCOL]. An IPv6 address is in
// brackets.
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
	n := last - first
	hostFirst := 0
	if hostPort != "" && hostPort != "0" {
		var hostLast int
		if hostFirst, hostLast, err = portRange(hostPort); err != nil {
			return nil, invalid("publish", s, "%w", err)
		}
		if hostLast-hostFirst != n {
			return nil, invalid("publish", s, "the ranges %s and %s differ in length", hostPort, port)
		}
	}
	return mappings(ip, hostFirst, first, n, protocol), nil
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
	if protocol != "tcp" && protocol != "udp" {
		return "", "", plain("the protocol is %q, and can be tcp or udp", protocol)
	}
	return rest, protocol, nil
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
	return addr.String(), hostPort, port, nil
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

// parseExpose reads PORT[-END][/PROTOCOL] into one PORT/PROTOCOL each.
func parseExpose(s string) ([]string, error) {
	rest, protocol, err := splitProtocol(s)
	if err != nil {
		return nil, invalid("expose", s, "%w", err)
	}
	first, last, err := portRange(rest)
	if err != nil {
		return nil, invalid("expose", s, "%w", err)
	}
	var all []string
	for port := first; port <= last; port++ {
		all = append(all, fmt.Sprintf("%d/%s", port, protocol))
	}
	return all, nil
}
