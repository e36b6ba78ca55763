package netconf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
)

// cniList is a network as Podman has it that makes networks with CNI: a chain of plugins, each a program that Moss does not run. What
// they do is what a network of ours does, so they are read so far as it is that, and anything else is an error
// (https://www.cni.dev/docs/spec).
type cniList struct {
	Name    string            `json:"name"`
	Plugins []json.RawMessage `json:"plugins"`
	Args    struct {
		Labels  map[string]string `json:"podman_labels"`
		Options map[string]string `json:"podman_options"`
	} `json:"args"`
}

// cniPlugin is what all plugins have.
type cniPlugin struct {
	Type         string          `json:"type"`
	Capabilities map[string]bool `json:"capabilities"`
}

type cniBridge struct {
	cniPlugin
	Bridge    string  `json:"bridge"`
	IsGateway bool    `json:"isGateway"`
	IsDefault bool    `json:"isDefaultGateway"`
	MTU       int     `json:"mtu"`
	VLAN      int     `json:"vlan"`
	IPAM      cniIPAM `json:"ipam"`

	// These make no difference to a network of ours: it has its own way out, and bridges of its own.
	IPMasq       bool `json:"ipMasq"`
	HairpinMode  bool `json:"hairpinMode"`
	ForceAddress bool `json:"forceAddress"`
	PromiscMode  bool `json:"promiscMode"`
}

type cniIPAM struct {
	Type   string `json:"type"`
	Routes []struct {
		Destination netip.Prefix `json:"dst"`
		Gateway     netip.Addr   `json:"gw"`
	} `json:"routes"`
	Ranges [][]cniRange `json:"ranges"`
}

type cniRange struct {
	Subnet  netip.Prefix `json:"subnet"`
	Start   netip.Addr   `json:"rangeStart"`
	End     netip.Addr   `json:"rangeEnd"`
	Gateway netip.Addr   `json:"gateway"`
}

type cniFirewall struct {
	cniPlugin
	Backend string `json:"backend"` // how it makes its rules
	Ingress string `json:"ingressPolicy"`
}

type cniNames struct {
	cniPlugin
	Domain string `json:"domainName"`
}

// readCNI reads such a network. One that has no bridge has another driver; one with Damaged set cannot be used.
func readCNI(path string) (*Network, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list cniList
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, err
	}
	n := &Network{Name: list.Name, Labels: list.Args.Labels, Options: list.Args.Options, IPAMOptions: map[string]string{"driver": IPAMLocal}}
	for i, text := range list.Plugins {
		var plugin cniPlugin
		if err := json.Unmarshal(text, &plugin); err != nil {
			return nil, err
		}
		if i == 0 {
			if n.Driver = plugin.Type; n.Driver != Bridge {
				return n, nil
			}
		}
		if err := n.plug(plugin.Type, text); err != nil && n.Damaged == nil {
			n.Damaged = plain("its plugin %q: %w", plugin.Type, err)
		}
	}
	if n.Damaged == nil {
		n.Damaged = n.checkIPAM()
	}
	return n, nil
}

// plug puts what a plugin is to do into the record.
func (n *Network) plug(kind string, text json.RawMessage) error {
	switch kind {
	case Bridge:
		var b cniBridge
		if err := strictly(text, &b); err != nil {
			return err
		}
		return n.plugBridge(&b)
	case "firewall":
		var f cniFirewall
		if err := strictly(text, &f); err != nil {
			return err
		}
		switch f.Ingress {
		case "", "open":
		case "same-bridge":
			n.option(OptionIsolate, "true")
		default:
			return plain("there is no ingressPolicy %q; there are open and same-bridge", f.Ingress)
		}
		return nil
	case "dnsname":
		n.DNSEnabled = true
		return strictly(text, &cniNames{})
	case "portmap", "tuning":
		return strictly(text, &cniPlugin{})
	}
	return plain("there is none in Moss, which runs no programs of CNI's; there are bridge, portmap, firewall, tuning and dnsname")
}

func (n *Network) plugBridge(b *cniBridge) error {
	n.Internal = !b.IsGateway && !b.IsDefault
	if b.MTU != 0 {
		n.option(OptionMTU, strconv.Itoa(b.MTU))
	}
	if b.VLAN != 0 {
		n.option("vlan", strconv.Itoa(b.VLAN))
	}
	if n.IPAMOptions["driver"] = b.IPAM.Type; b.IPAM.Type == "" {
		n.IPAMOptions["driver"] = IPAMNone
	}
	for _, r := range slices.Concat(b.IPAM.Ranges...) {
		s, err := r.subnet()
		if err != nil {
			return err
		}
		n.IPv6Enabled = n.IPv6Enabled || s.Subnet.Addr().Is6()
		n.Subnets = append(n.Subnets, s)
	}
	return n.plugRoutes(b)
}

// subnet is what a range is of, as far as it is told.
func (r *cniRange) subnet() (Subnet, error) {
	s := Subnet{Subnet: r.Subnet, Gateway: r.Gateway}
	if !r.Subnet.IsValid() {
		return s, plain("a range has no subnet")
	}
	if !r.Start.IsValid() && !r.End.IsValid() {
		return s, nil
	}
	all, err := ParseRange(r.Subnet.String(), r.Subnet.Masked())
	if err != nil {
		return s, err
	}
	if s.LeaseRange = all; r.Start.IsValid() {
		all.StartIP = r.Start
	}
	if r.End.IsValid() {
		all.EndIP = r.End
	}
	return s, nil
}

func (n *Network) plugRoutes(b *cniBridge) error {
	out := b.IsDefault
	for _, r := range b.IPAM.Routes {
		switch {
		case r.Gateway.IsValid():
			n.Routes = append(n.Routes, Route{Destination: r.Destination, Gateway: r.Gateway})
		case r.Destination.Bits() == 0:
			out = true
		default:
			return plain("the route to %s has no gw", r.Destination)
		}
	}
	if !out && !n.Internal && len(n.Subnets) > 0 {
		n.option(OptionNoDefaultRoute, "true")
	}
	return nil
}

// option sets an option that the record does not have yet.
func (n *Network) option(key, value string) {
	if n.Options == nil {
		n.Options = map[string]string{}
	}
	if _, has := n.Options[key]; !has {
		n.Options[key] = value
	}
}

// strictly reads a plugin that must not ask for anything else than what is known.
func strictly(text json.RawMessage, plugin any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(plugin); err != nil {
		return fmt.Errorf("what it is told is not carried out: %w", err)
	}
	return nil
}
