package spec

import "net/netip"

// Endpoint is a container's end of a network: what it got there.
type Endpoint struct {
	Network   string       `json:"network"`
	Interface string       `json:"interface"`
	MAC       string       `json:"mac"`
	Address   netip.Prefix `json:"address,omitzero"` // of IPv4; its length is the subnet's
	Gateway   netip.Addr   `json:"gateway,omitzero"`
	Address6  netip.Prefix `json:"address6,omitzero"`
	Gateway6  netip.Addr   `json:"gateway6,omitzero"`
	Aliases   []string     `json:"aliases,omitempty"`
}

// Addresses are those that it has.
func (e *Endpoint) Addresses() []netip.Addr {
	var list []netip.Addr
	for _, p := range []netip.Prefix{e.Address, e.Address6} {
		if p.IsValid() {
			list = append(list, p.Addr())
		}
	}
	return list
}
