package config

import (
	"fmt"
	"net/netip"

	"go.podman.io/storage/pkg/configfile"
)

// SubnetPool is a range of addresses that is divided into subnets.
type SubnetPool struct {
	Base netip.Prefix
	Bits int // how long the prefix of a subnet is
}

// networkTable is the part of containers.conf's table network that is read.
type networkTable struct {
	HostIPs      configfile.Slice `toml:"default_host_ips"`
	PastaOptions configfile.Slice `toml:"pasta_options"`
	Subnet       string           `toml:"default_subnet"`
	SubnetPools  []struct {
		Base string `toml:"base"`
		Size int    `toml:"size"`
	} `toml:"default_subnet_pools"`
	Uplink string `toml:"default_rootless_network_cmd"`
}

// hostIPs are the addresses that ports are published on.
func (t *networkTable) hostIPs() (list []string, err error) {
	for _, text := range t.HostIPs.Get() {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return nil, fmt.Errorf("default_host_ips: %q is not an IP address", text)
		}
		list = append(list, a.Unmap().String())
	}
	return list, nil
}

// subnets are what the table says of them.
func (t *networkTable) subnets() (subnet netip.Prefix, pools []SubnetPool, err error) {
	if t.Subnet != "" {
		if subnet, err = parseSubnet(t.Subnet); err != nil {
			return subnet, nil, fmt.Errorf("default_subnet = %q: %w", t.Subnet, err)
		}
	}
	for _, p := range t.SubnetPools {
		base, err := parseSubnet(p.Base)
		if err == nil && (p.Size < base.Bits() || p.Size > base.Addr().BitLen()-2) {
			err = fmt.Errorf("a size of %d leaves no room; want one from %d to %d", p.Size, base.Bits(), base.Addr().BitLen()-2)
		}
		if err != nil {
			return subnet, nil, fmt.Errorf("default_subnet_pools, base %q: %w", p.Base, err)
		}
		pools = append(pools, SubnetPool{Base: base, Bits: p.Size})
	}
	return subnet, pools, nil
}

// parseSubnet reads one of IPv4: those of IPv6 are random.
func parseSubnet(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() || p.Addr().BitLen()-p.Bits() < 2 {
		return p, fmt.Errorf("want an IPv4 subnet such as 10.90.0.0/16")
	}
	return p.Masked(), nil
}
