package spec

import (
	"fmt"
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
	// Mode is "" for the default, or bridge, none, host, slirp4netns[:OPTIONS], pasta[:OPTIONS], container:ID, ns:PATH.
	Mode string `json:"network,omitempty"`
	// Networks are those that the container is on with bridge. In a container that is stored, none are none.
	Networks []Connection `json:"networks,omitempty"`
	// Own is what --ip and its like ask for on the only network, until Settle.
	Own        Connection    `json:"-"`
	Ports      []PortMapping `json:"ports,omitempty"`
	PublishOn  []string      `json:"-"`                // of usual settings only: addresses for ports that name none, until Settle
	Expose     []string      `json:"expose,omitempty"` // PORT/PROTOCOL: --expose and the image's
	PublishAll bool          `json:"publishAll,omitempty"`
	Egress     []string      `json:"egress,omitempty"` // whom it may reach: ParseEgress; none is everybody
	Naming
}

// The networks that are not made by a user.
const (
	NetworkNone   = "none"
	NetworkHost   = "host"
	NetworkSlirp  = "slirp4netns"
	NetworkBridge = "bridge"
	// NetworkDefault is the name of the bridge network that a container is on whose description names none.
	NetworkDefault = "podman"
)

// AddFlags declares the flags of the network.
func (n *Network) AddFlags(fs *pflag.FlagSet) {
	addFlag(fs, "network", "", "list", "", "`network`: NAME[:OPTION,...], bridge, slirp4netns[:OPTION,...], pasta[:OPTION,...], none, host, container:ID, ns:PATH; give it again for another", n.join)
	addFlag(fs, "net", "", "list", "", "alias of --network", n.join)
	fs.Lookup("net").Hidden = true
	n.addAddressFlags(fs)
	addFlag(fs, "publish", "p", "list", "", "publish a `port`: [[IP:][HOSTPORT]:]PORT[/PROTOCOL], tcp or udp; servers see the client's address with tcp, and with udp the container's own", eachOf(n.publish))
	fs.BoolVarP(&n.PublishAll, "publish-all", "P", false, "publish all ports that the image exposes, on any free ports")
	addFlag(fs, "expose", "", "list", "", "a `port` that the container listens on: PORT[-END][/PROTOCOL]", eachOf(n.expose))
	addFlag(fs, "egress", "", "list", "", "`whom` the container may reach, nobody else: none, CIDR[:PORT], IP[:PORT], NAME[:PORT]; give it again for another", n.allow)
	n.Naming.addFlags(fs)
}

// addAddressFlags declares the flags about the only network of a container.
func (n *Network) addAddressFlags(fs *pflag.FlagSet) {
	own := func(name, kind, option, help string) {
		set := func(s string) error {
			if err := n.Own.Set(option, s); err != nil {
				return invalid(name, s, "%w", err)
			}
			return nil
		}
		if kind == "list" {
			set = eachOf(set)
		}
		addFlag(fs, name, "", kind, "", help, set)
	}
	own("ip", "ip", "ip", "`address` of IPv4 that the container has")
	own("ip6", "ip", "ip6", "`address` of IPv6 that the container has")
	own("mac-address", "string", "mac", "hardware `address` of the container's interface")
	own("network-alias", "list", "alias", "another `name` of the container on its networks")
	own("link", "list", "link", "`CONTAINER[:ALIAS]` on the same network that /etc/hosts is to have, also where names are not served")
	own("link-local-ip", "list", "link-local-ip", "another `address` of the interface, of 169.254.0.0/16 or fe80::/10")
	own("net-alias", "list", "alias", "alias of --network-alias")
	fs.Lookup("net-alias").Hidden = true
}

// join takes one --network.
func (n *Network) join(s string) error {
	kind, options, has := strings.Cut(s, ":")
	switch kind {
	case "", "default", "private":
		if has {
			return invalid("network", s, "%s has no options", kind)
		}
		return n.be(s, NetworkBridge, Connection{Name: NetworkDefault})
	case NetworkBridge:
		c, err := parseConnection(NetworkDefault + s[len(kind):])
		if err != nil {
			return invalid("network", s, "%w", err)
		}
		return n.be(s, NetworkBridge, c)
	case NetworkNone, NetworkHost, NetworkSlirp, NetworkPasta, "container", "ns":
		if err := checkMode(kind, options, has); err != nil {
			return invalid("network", s, "%w", err)
		}
		return n.be(s, s)
	}
	return n.joinNamed(s)
}

// joinNamed takes a --network that is none of the words: a network, or several, as old Podmans had it.
func (n *Network) joinNamed(s string) error {
	names := []string{s}
	if !strings.ContainsAny(s, ":=") {
		names = strings.Split(s, ",")
	}
	var list []Connection
	for _, name := range names {
		c, err := parseConnection(name)
		if err != nil {
			return invalid("network", s, "%w; want the name of a network, none, host, slirp4netns, container:ID or ns:/absolute/path", err)
		}
		if IsDefaultNetwork(c.Name) {
			c.Name = NetworkDefault
		}
		list = append(list, c)
	}
	return n.be(s, NetworkBridge, list...)
}

// IsDefaultNetwork says whether a name is one of the default network's.
func IsDefaultNetwork(name string) bool {
	return name == NetworkDefault || name == NetworkBridge || name == "default"
}

// be is the mode that a --network means. Only networks go together.
func (n *Network) be(given, mode string, list ...Connection) error {
	if n.Mode != "" && (n.Mode != NetworkBridge || mode != NetworkBridge) {
		return invalid("network", given, "it does not go together with %s", n.Mode)
	}
	for _, c := range list {
		if n.Connection(c.Name) != nil {
			return invalid("network", given, "the container is on that network already")
		}
		n.Networks = append(n.Networks, c)
	}
	n.Mode = mode
	return nil
}

// Connection is what is asked for on a network; nil when the container is not on it.
func (n *Network) Connection(name string) *Connection {
	for i := range n.Networks {
		if n.Networks[i].Name == name {
			return &n.Networks[i]
		}
	}
	return nil
}

// checkMode checks the modes that are no networks. Its errors are put into the sentence of a flag.
func checkMode(kind, arg string, has bool) error {
	switch {
	case (kind == NetworkNone || kind == NetworkHost) && has:
		return plain("%s has no options", kind)
	case kind == NetworkSlirp || kind == NetworkPasta:
		return checkUplink(kind, arg, has)
	case kind == "container" && arg == "":
		return plain("say which container: container:ID")
	case kind == "ns" && !path.IsAbs(arg):
		return plain("say which namespace: ns:/absolute/path")
	}
	return nil
}

// settle completes the description: it says on which networks the container is.
func (n *Network) settle(d *Network) error {
	if n.Mode == "" {
		n.Mode, n.Networks = d.Mode, slices.Clone(d.Networks)
	}
	if n.Mode == "" {
		if err := n.join(""); err != nil {
			return err
		}
	}
	if err := n.checkShared(); err != nil {
		return err
	}
	n.Naming.settle(&d.Naming)
	n.publishOn(d.PublishOn)
	if n.Mode != NetworkBridge {
		return nil
	}
	if err := n.checkOwn(); err != nil {
		return err
	}
	for i := range n.Networks {
		n.Networks[i].add(n.Own)
	}
	n.Own = Connection{}
	return nil
}

// add takes over what flags for the only network say.
func (c *Connection) add(own Connection) {
	if own.IP.IsValid() {
		c.IP = own.IP
	}
	if own.IP6.IsValid() {
		c.IP6 = own.IP6
	}
	if own.MAC != "" {
		c.MAC = own.MAC
	}
	for _, alias := range own.Aliases {
		c.Aliases, _ = appendAlias(c.Aliases, alias) // checked
	}
	c.LinkLocal, c.Links = append(c.LinkLocal, own.LinkLocal...), append(c.Links, own.Links...)
}

// checkShared refuses what a container that shares another's network, and its files about names, would ignore. Usual settings are not asked: they
// are that other container's too.
func (n *Network) checkShared() error {
	if !strings.HasPrefix(n.Mode, "container:") {
		return nil
	}
	for _, given := range []struct {
		flag, file string
		is         bool
	}{
		{"--dns", "resolv.conf", len(n.DNS) > 0 && !n.NoResolver()},
		{"--dns-search", "resolv.conf", len(n.DNSSearch) > 0},
		{"--dns-option", "resolv.conf", len(n.DNSOptions) > 0},
		{"--add-host", "hosts", len(n.AddHosts) > 0},
		{"--hosts-file", "hosts", n.HostsFile != ""},
	} {
		if given.is {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s with --network %s: /etc/%s is that container's; make that one with %s", given.flag, n.Mode, given.file, given.flag)
		}
	}
	return nil
}

// checkOwn says whether --ip and its like have a network to be about.
func (n *Network) checkOwn() error {
	own := &n.Own
	if n.Mode != "" && n.Mode != NetworkBridge && len(own.Links) > 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot link containers with --network %s: they meet on bridge networks", n.Mode)
	}
	if n.Mode != "" && n.Mode != NetworkBridge && len(own.Aliases) > 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --network-alias with --network %s: names are served on bridge networks", n.Mode)
	}
	if !own.IP.IsValid() && !own.IP6.IsValid() && own.MAC == "" && len(own.LinkLocal) == 0 {
		return nil // aliases and links are for all networks
	}
	if n.Mode != "" && n.Mode != NetworkBridge {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot choose an address with --network %s: use a network of your own", n.Mode)
	}
	if len(n.Networks) > 1 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --ip, --ip6, --link-local-ip or --mac-address with several networks: write --network NAME:ip=ADDRESS")
	}
	return nil
}

func (n *Network) publish(s string) error {
	ports, err := ParsePort(s)
	said := make(map[PortMapping]bool, len(n.Ports)+len(ports)) // of ranges there are tens of thousands
	for _, p := range n.Ports {
		said[p] = true
	}
	for _, p := range ports {
		if !said[p] {
			said[p], n.Ports = true, append(n.Ports, p)
		}
	}
	return err
}

func (n *Network) expose(s string) error {
	ports, err := ParseExposed(s)
	if err != nil {
		return invalid("expose", s, "%w", err)
	}
	n.Expose = append(n.Expose, ports...)
	return nil
}

// Validate checks the network.
func (n *Network) Validate() error {
	if err := n.validateNetworks(); err != nil {
		return err
	}
	if strings.HasPrefix(n.Mode, "container:") && (len(n.Ports) > 0 || n.PublishAll) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot publish ports with --network %s: publish them on that container", n.Mode)
	}
	if n.Mode == NetworkNone && len(n.Ports) > 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot publish ports with --network none: the container has no network to reach it by")
	}
	if err := n.validatePorts(); err != nil {
		return err
	}
	if err := n.validateEgress(); err != nil {
		return err
	}
	return n.Naming.validate()
}

func (n *Network) validatePorts() error {
	before := make(map[uint16][]PortMapping, len(n.Ports)) // by port of the host
	for _, p := range n.Ports {
		if err := p.validate(); err != nil {
			return err
		}
		if p.HostPort == 0 {
			continue
		}
		same := before[p.HostPort]
		before[p.HostPort] = append(same, p)
		for _, o := range same {
			if p.overlaps(o) {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot publish port %d/%s of the host twice, for the ports %d and %d of the container",
					p.HostPort, p.Protocol, o.ContainerPort, p.ContainerPort)
			}
		}
	}
	return nil
}

func (n *Network) validateNetworks() error {
	kind, arg, has := strings.Cut(n.Mode, ":")
	switch kind {
	case "", NetworkBridge, NetworkNone, NetworkHost, NetworkSlirp, NetworkPasta, "container", "ns":
	default:
		return invalid("network", n.Mode, "want bridge, none, host, slirp4netns, container:ID or ns:/absolute/path")
	}
	if err := checkMode(kind, arg, has); err != nil {
		return invalid("network", n.Mode, "%w", err)
	}
	for i := range n.Networks {
		if err := n.Networks[i].validate(); err != nil {
			return err
		}
	}
	return n.checkOwn()
}

// publishExposed publishes what is exposed and not yet published, for --publish-all.
func (n *Network) publishExposed() {
	published := map[string]bool{}
	for _, p := range n.Ports {
		published[p.Exposed()] = true
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

// publishOn publishes the ports that name no address of this machine on these, if there are any.
func (n *Network) publishOn(addresses []string) {
	if len(addresses) == 0 {
		return
	}
	given, there := n.Ports, make(map[PortMapping]bool, len(n.Ports))
	n.Ports = nil
	for _, p := range given {
		on := addresses
		if p.HostIP != "" {
			on = []string{p.HostIP}
		}
		for _, p.HostIP = range on {
			if !there[p] {
				there[p], n.Ports = true, append(n.Ports, p)
			}
		}
	}
}

// unpublished says which ports --publish-all leaves out.
func (n *Network) unpublished() (warnings []string) {
	for _, e := range n.Expose {
		if _, err := ParsePort(e); n.PublishAll && err != nil {
			warnings = append(warnings, "--publish-all leaves out the port "+e+": what forwards ports without root speaks tcp and udp")
		}
	}
	return warnings
}

// Apply writes the network namespace and what it needs to be useful without capabilities.
func (n *Network) Apply(s *specs.Spec, f host.Facts, in Inputs) ([]string, error) {
	if n.Mode == NetworkHost {
		if len(n.Ports) > 0 {
			return []string{"--publish has no effect with --network host: the container's ports are the host's"}, nil
		}
		return nil, nil
	}
	warnings := n.unpublished()
	mode := n.Mode
	if !strings.HasPrefix(mode, "ns:") && !strings.HasPrefix(mode, "container:") {
		mode = ""
	}
	if err := addNamespace(s, specs.NetworkNamespace, mode, in); err != nil {
		return nil, err
	}
	if mode != "" {
		return warnings, nil
	}
	// As Docker and Podman have it: any user may ping and may use the ports below 1024.
	s.Linux.Sysctl["net.ipv4.ping_group_range"] = fmt.Sprintf("0 %d", min(max(f.GIDs, 1)-1, maxID))
	s.Linux.Sysctl["net.ipv4.ip_unprivileged_port_start"] = "0"
	return warnings, nil
}
