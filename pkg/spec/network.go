package spec

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
)

// Network is how the container reaches others and is reached.
type Network struct {
	// Network is "" for the default, or none, host, slirp4netns, container:ID, ns:PATH.
	Network    string        `json:"network,omitempty"`
	Ports      []PortMapping `json:"ports,omitempty"`
	Expose     []string      `json:"expose,omitempty"` // PORT/PROTOCOL: --expose and the image's
	PublishAll bool          `json:"publishAll,omitempty"`
	DNS        []string      `json:"dns,omitempty"`
	DNSSearch  []string      `json:"dnsSearch,omitempty"`
	DNSOptions []string      `json:"dnsOptions,omitempty"`
	AddHosts   []string      `json:"addHosts,omitempty"` // NAME:IP
}

// The networks that are not made by a user.
const (
	NetworkNone  = "none"
	NetworkHost  = "host"
	NetworkSlirp = "slirp4netns"
)

// AddFlags declares the flags of the network.
func (n *Network) AddFlags(fs *pflag.FlagSet) {
	set := func(s string) error {
		n.Network = s
		return checkNetwork(s)
	}
	addFlag(fs, "network", "", "string", "", "`network`: slirp4netns, none, host, container:ID, ns:PATH", set)
	addFlag(fs, "net", "", "string", "", "alias of --network", set)
	fs.Lookup("net").Hidden = true
	addFlag(fs, "publish", "p", "list", "", "publish a `port`: [[IP:][HOSTPORT]:]PORT[/PROTOCOL]", n.publish)
	fs.BoolVarP(&n.PublishAll, "publish-all", "P", false, "publish all ports that the image exposes, on any free ports")
	addFlag(fs, "expose", "", "list", "", "a `port` that the container listens on: PORT[-END][/PROTOCOL]", n.expose)
	addList(fs, &n.DNS, "dns", "", "`address` of a name server", parseDNS)
	addList(fs, &n.DNSSearch, "dns-search", "", "`domain` to search names in", verbatim)
	addList(fs, &n.DNSOptions, "dns-option", "", "`option` for resolv.conf", verbatim)
	addList(fs, &n.DNSOptions, "dns-opt", "", "alias of --dns-option", verbatim)
	fs.Lookup("dns-opt").Hidden = true
	addList(fs, &n.AddHosts, "add-host", "", "a line for /etc/hosts: `NAME:IP`", parseAddHost)
}

func (n *Network) publish(s string) error {
	ports, err := ParsePort(s)
	for _, p := range ports {
		if !slices.Contains(n.Ports, p) { // said twice
			n.Ports = append(n.Ports, p)
		}
	}
	return err
}

func (n *Network) expose(s string) error {
	ports, err := parseExpose(s)
	n.Expose = append(n.Expose, ports...)
	return err
}

func checkNetwork(s string) error {
	kind, arg, has := strings.Cut(s, ":")
	switch kind {
	case "", NetworkNone, NetworkHost, "default", "private":
		if !has {
			return nil
		}
	case NetworkSlirp:
		return nil
	case "container":
		if arg != "" {
			return nil
		}
	case "ns":
		if path.IsAbs(arg) {
			return nil
		}
	default:
		if volumeName(s) { // the name of a network, which has the same letters
			return nil
		}
	}
	return invalid("network", s, "want none, host, slirp4netns, container:ID or ns:/absolute/path")
}

func parseDNS(s string) (string, error) {
	if s == NetworkNone {
		return s, nil
	}
	if _, err := netip.ParseAddr(s); err != nil {
		return s, invalid("dns", s, "want an IP address")
	}
	return s, nil
}

func parseAddHost(s string) (string, error) {
	name, ip, ok := strings.Cut(strings.Replace(s, "=", ":", 1), ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t\n") {
		return s, invalid("add-host", s, "want NAME:IP")
	}
	ip = strings.TrimSuffix(strings.TrimPrefix(ip, "["), "]")
	if ip == "host-gateway" {
		return name + ":" + ip, nil
	}
	if _, err := netip.ParseAddr(ip); err != nil {
		return s, invalid("add-host", s, "%q is not an IP address", ip)
	}
	return name + ":" + ip, nil
}

// Validate checks the network.
func (n *Network) Validate() error {
	if err := checkNetwork(n.Network); err != nil {
		return err
	}
	if strings.HasPrefix(n.Network, "container:") && (len(n.Ports) > 0 || n.PublishAll) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot publish ports with --network %s: publish them on that container", n.Network)
	}
	if n.Network == NetworkNone && len(n.Ports) > 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot publish ports with --network none: the container has no network to reach it by")
	}
	if err := n.validatePorts(); err != nil {
		return err
	}
	return n.validateNames()
}

func (n *Network) validatePorts() error {
	for i, p := range n.Ports {
		if err := p.validate(); err != nil {
			return err
		}
		for _, o := range n.Ports[:i] {
			if p.overlaps(o) {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot publish port %d/%s of the host twice, for the ports %d and %d of the container",
					p.HostPort, p.Protocol, o.ContainerPort, p.ContainerPort)
			}
		}
	}
	return nil
}

func (n *Network) validateNames() error {
	for _, s := range n.DNS {
		if _, err := parseDNS(s); err != nil {
			return err
		}
	}
	for _, s := range append(n.DNSSearch, n.DNSOptions...) {
		if s == "" || strings.ContainsAny(s, " \t\n\r") {
			return invalid("dns-search", s, "a word of resolv.conf cannot be empty or contain a space")
		}
	}
	for _, s := range n.AddHosts {
		if _, err := parseAddHost(s); err != nil {
			return err
		}
	}
	return nil
}

// publishExposed publishes what is exposed and not yet published, for --publish-all.
func (n *Network) publishExposed() {
	published := map[string]bool{}
	for _, p := range n.Ports {
		published[fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol)] = true
	}
	for _, e := range n.Expose {
		if published[e] {
			continue
		}
		if ports, err := ParsePort(e); err == nil {
			n.Ports = append(n.Ports, ports...)
		}
		published[e] = true
	}
}

// Apply writes the network namespace and what it needs to be useful without capabilities.
func (n *Network) Apply(s *specs.Spec, f host.Facts, in Inputs) ([]string, error) {
	if n.Network == NetworkHost {
		if len(n.Ports) > 0 {
			return []string{"--publish has no effect with --network host: the container's ports are the host's"}, nil
		}
		return nil, nil
	}
	mode := n.Network
	if !strings.HasPrefix(mode, "ns:") && !strings.HasPrefix(mode, "container:") {
		mode = ""
	}
	if err := addNamespace(s, specs.NetworkNamespace, mode, in); err != nil {
		return nil, err
	}
	if mode != "" {
		return nil, nil
	}
	// As Docker and Podman have it: any user may ping and may use the ports below 1024.
	s.Linux.Sysctl["net.ipv4.ping_group_range"] = fmt.Sprintf("0 %d", min(max(f.GIDs, 1)-1, maxID))
	s.Linux.Sysctl["net.ipv4.ip_unprivileged_port_start"] = "0"
	return nil, nil
}
