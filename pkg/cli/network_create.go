//go:build !moss_front

package cli

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// networkCreateOptions are the flags of network create.
type networkCreateOptions struct {
	n          netconf.Network
	subnets    []string
	gateways   []string
	ranges     []string
	routes     []string
	servers    []string
	labels     []string
	options    []string
	ipamOpts   []string
	aux        []string
	ipam       string
	disableDNS bool
	ipv4       bool
	ignore     bool

	attachable, configOnly, ingress bool
	configFrom, scope               string
}

func newNetworkCreateCommand(app *App) *cobra.Command {
	var o networkCreateOptions
	cmd := &cobra.Command{
		Use: "create [flags] [NAME]", Short: "Make a network", Args: maxArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return o.run(app, args) },
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func (o *networkCreateOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.n.Driver, "driver", "d", netconf.Bridge, "network driver (bridge)")
	fs.StringArrayVar(&o.subnets, "subnet", nil, "`subnet`, such as 10.89.7.0/24; one of IPv4 and one of IPv6")
	fs.StringArrayVar(&o.gateways, "gateway", nil, "`address` of the gateway of the subnet that has it (default the subnet's first address)")
	fs.StringArrayVar(&o.ranges, "ip-range", nil, "`range` that containers get addresses from: a part of a subnet, or FIRST-LAST")
	fs.StringArrayVar(&o.aux, "aux-address", nil, "address that no container gets unasked, `NAME=ADDRESS`")
	fs.StringArrayVar(&o.routes, "route", nil, "route that containers have, `DESTINATION,GATEWAY[,METRIC]`; blackhole, unreachable or prohibit instead of the gateway leads nowhere")
	fs.BoolVar(&o.n.IPv6Enabled, "ipv6", false, "with IPv6")
	fs.BoolVar(&o.ipv4, "ipv4", true, "with IPv4")
	fs.BoolVar(&o.n.Internal, "internal", false, "no way out, and none to other networks")
	fs.BoolVar(&o.disableDNS, "disable-dns", false, "do not serve the names of containers")
	fs.StringSliceVar(&o.servers, "dns", nil, "`address` of a server to ask for names that no container has, instead of this machine's")
	fs.StringArrayVar(&o.n.Egress, "egress", nil, "`whom` the containers may reach over the network, nobody else: none, CIDR[:PORT], IP[:PORT], NAME[:PORT]")
	fs.StringVar(&o.n.NetworkInterface, "interface-name", "", "`name` of the bridge (default one of our choice)")
	fs.StringArrayVar(&o.labels, "label", nil, "attach a label, `KEY=VALUE`")
	fs.StringArrayVarP(&o.options, "opt", "o", nil, "option, `KEY=VALUE`: mtu, isolate, metric, no_default_route")
	fs.StringVar(&o.ipam, "ipam-driver", "", "who gives addresses: host-local, or none")
	fs.StringArrayVar(&o.ipamOpts, "ipam-opt", nil, "option of the IPAM driver, which has none, `KEY=VALUE`")
	fs.BoolVar(&o.ignore, "ignore", false, "one that exists already is fine")
	o.addDockerFlags(fs)
}

// addDockerFlags declares what means something to Docker's swarms only.
func (o *networkCreateOptions) addDockerFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.attachable, "attachable", false, "accepted for compatibility: every container may be on every network")
	fs.BoolVar(&o.configOnly, "config-only", false, "not supported: a network has all of its configuration itself")
	fs.StringVar(&o.configFrom, "config-from", "", "not supported: a network has all of its configuration itself")
	fs.BoolVar(&o.ingress, "ingress", false, "not supported: there are no swarms")
	fs.StringVar(&o.scope, "scope", "local", "scope (local)")
}

func (o *networkCreateOptions) run(app *App, args []string) error {
	engine, err := app.Engine()
	if err != nil {
		return err
	}
	if o.n.Name = names.Random(); len(args) == 1 {
		o.n.Name = args[0]
	}
	if o.ignore {
		if n, err := engine.Network(o.n.Name); err == nil {
			_, err = fmt.Fprintln(app.Out, n.Name)
			return err
		}
	}
	if err := o.describe(); err != nil {
		return err
	}
	if err := engine.CreateNetwork(&o.n, netconf.CreateOptions{NoIPv4: !o.ipv4}); err != nil {
		return err
	}
	_, err = fmt.Fprintln(app.Out, o.n.Name)
	return err
}

// describe completes the description by the flags.
func (o *networkCreateOptions) describe() (err error) {
	switch {
	case o.configOnly || o.configFrom != "":
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --config-only or --config-from: give the network its configuration itself")
	case o.ingress:
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --ingress: there are no swarms")
	case o.scope != "local":
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --scope %s: there is local", o.scope)
	case len(o.ipamOpts) > 0:
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --ipam-opt %s: the IPAM drivers have no options", o.ipamOpts[0])
	case !o.ipv4 && !o.n.IPv6Enabled:
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --ipv4=false without --ipv6: the network would have no addresses; --ipam-driver none makes one without")
	}
	if o.ipam == "default" { // Docker's word
		o.ipam = ""
	}
	o.n.IPAMOptions = map[string]string{"driver": o.ipam}
	o.n.DNSEnabled = !o.disableDNS && o.ipam != netconf.IPAMNone
	o.n.Labels, o.n.Options = keyValues(o.labels), keyValues(o.options)
	if o.n.NetworkDNSServers, err = addresses("dns", o.servers); err != nil {
		return err
	}
	if err := o.describeSubnets(); err != nil {
		return err
	}
	for _, text := range o.routes {
		r, err := parseRoute(text)
		if err != nil {
			return err
		}
		o.n.Routes = append(o.n.Routes, r)
	}
	return o.reserve()
}

func (o *networkCreateOptions) describeSubnets() error {
	if len(o.gateways) > len(o.subnets) || len(o.ranges) > len(o.subnets) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --gateway or --ip-range without a --subnet for each")
	}
	for _, text := range o.subnets {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "invalid --subnet %q: want one such as 10.89.7.0/24", text)
		}
		o.n.Subnets = append(o.n.Subnets, netconf.Subnet{Subnet: p.Masked()})
	}
	if err := o.describeGateways(); err != nil {
		return err
	}
	return o.describeRanges()
}

// subnetOf is the subnet that has an address, wherever in the list it is, as for Docker; else the one in the same place as its flag.
func (o *networkCreateOptions) subnetOf(a netip.Addr, place int) *netconf.Subnet {
	for i := range o.n.Subnets {
		if o.n.Subnets[i].Subnet.Contains(a) {
			return &o.n.Subnets[i]
		}
	}
	return &o.n.Subnets[place]
}

func (o *networkCreateOptions) describeGateways() error {
	for i, text := range o.gateways {
		if text == "" {
			continue
		}
		a, err := netip.ParseAddr(text)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "invalid --gateway %q: want an IP address", text)
		}
		s := o.subnetOf(a, i)
		if s.Gateway.IsValid() {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --gateway %s: the subnet %s has the gateway %s already", text, s.Subnet, s.Gateway)
		}
		s.Gateway = a
	}
	return nil
}

func (o *networkCreateOptions) describeRanges() (err error) {
	for i, text := range o.ranges {
		if text == "" {
			continue
		}
		first, _, _ := strings.Cut(strings.ReplaceAll(text, "/", "-"), "-")
		a, _ := netip.ParseAddr(first) // ParseRange tells what is wrong
		s := o.subnetOf(a, i)
		if s.LeaseRange != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --ip-range %s: the subnet %s has a range already", text, s.Subnet)
		}
		if s.LeaseRange, err = netconf.ParseRange(text, s.Subnet); err != nil {
			return err
		}
	}
	return nil
}

func (o *networkCreateOptions) reserve() error {
	for _, text := range o.aux {
		name, value, _ := strings.Cut(text, "=")
		a, err := netip.ParseAddr(value)
		if name == "" || err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "invalid --aux-address %q: want NAME=ADDRESS", text)
		}
		o.n.Reserve(name, a)
	}
	return nil
}

func parseRoute(text string) (r netconf.Route, err error) {
	bad := errdefs.Errorf(errdefs.ErrInvalid, "invalid --route %q: want DESTINATION,GATEWAY[,METRIC], such as 10.1.0.0/16,10.89.7.2, or blackhole, unreachable or prohibit instead of the gateway", text)
	parts := strings.Split(text, ",")
	if len(parts) < 2 || len(parts) > 3 {
		return r, bad
	}
	if r.Destination, err = netip.ParsePrefix(parts[0]); err != nil {
		return r, bad
	}
	r.Destination = r.Destination.Masked()
	switch parts[1] {
	case netconf.RouteBlackhole, netconf.RouteUnreachable, netconf.RouteProhibit:
		r.Type = parts[1]
	default:
		if r.Gateway, err = netip.ParseAddr(parts[1]); err != nil {
			return r, bad
		}
	}
	if len(parts) == 3 {
		n, err := strconv.ParseUint(parts[2], 10, 32)
		if err != nil {
			return r, bad
		}
		metric := uint32(n)
		r.Metric = &metric
	}
	return r, nil
}

// addresses reads the values of a flag.
func addresses(flag string, list []string) ([]netip.Addr, error) {
	var found []netip.Addr
	for _, text := range list {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "invalid --%s %q: want an IP address", flag, text)
		}
		found = append(found, a)
	}
	return found, nil
}
