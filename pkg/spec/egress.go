package spec

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// EgressNone is the list of a container that may reach nobody.
const EgressNone = "none"

// EgressRule is one line of an egress list: whom a container may reach, and at which ports. The zero value, that of none, is nobody.
type EgressRule struct {
	Prefix netip.Prefix // not valid where Name says whom
	// Name is in lower case and without a dot at its end. One that begins with "*." stands for all names below it.
	Name string
	// First and Last are ports of TCP and UDP. 0 and 0 are all of them, and the other protocols.
	First, Last uint16
}

// ParseEgress reads one --egress: none, CIDR[:PORT], IP[:PORT] or NAME[:PORT]. Names have no case, and so has none; a host of that name is "none.".
func ParseEgress(s string) (r EgressRule, err error) {
	if strings.EqualFold(s, EgressNone) {
		return r, nil
	}
	whom, ports, hasPorts, err := splitEgress(s)
	if err == nil && strings.EqualFold(whom, EgressNone) {
		err = plain("none is nobody, at no port; a host of that name is written with a dot, as none.:443")
	}
	if err == nil {
		err = r.setWhom(whom)
	}
	if err == nil && hasPorts {
		err = r.setPorts(ports)
	}
	if err != nil {
		return r, invalid("egress", s, "%w; want none, CIDR[:PORT], IP[:PORT] or NAME[:PORT]", err)
	}
	return r, nil
}

// ParseEgressList reads a list, in which none stands alone.
func ParseEgressList(list []string) ([]EgressRule, error) {
	rules := make([]EgressRule, len(list))
	for i, s := range list {
		var err error
		if rules[i], err = ParseEgress(s); err != nil {
			return nil, err
		}
		if rules[i] == (EgressRule{}) && len(list) > 1 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --egress none together with another --egress: leave out one of them")
		}
	}
	return rules, nil
}

// splitEgress takes the ports off. An IPv6 address or prefix has colons itself, and is in brackets.
func splitEgress(s string) (whom, ports string, hasPorts bool, err error) {
	rest, bracket := strings.CutPrefix(s, "[")
	if !bracket {
		whom, ports, hasPorts = strings.Cut(s, ":")
		if strings.Contains(ports, ":") {
			return "", "", false, plain("an IPv6 address is written in brackets, such as [fd00::1]:443 or [fd00::/8]")
		}
		return whom, ports, hasPorts, nil
	}
	whom, rest, closed := strings.Cut(rest, "]")
	ports, hasPorts = strings.CutPrefix(rest, ":")
	if !closed || !strings.Contains(whom, ":") || !hasPorts && rest != "" {
		return "", "", false, plain("brackets are for an IPv6 address, such as [fd00::1]:443 or [fd00::/8]")
	}
	return whom, ports, hasPorts, nil
}

func (r *EgressRule) setWhom(s string) error {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Addr().Is4In6() {
			return plain("%q is not a range of addresses, such as 10.0.0.0/8", s)
		}
		r.Prefix = p.Masked()
		return nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" && !a.Is4In6() {
		r.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	r.Name = strings.ToLower(strings.TrimSuffix(s, "."))
	if !isHostName(strings.TrimPrefix(r.Name, "*.")) {
		return plain("%q is neither an address nor a name", s)
	}
	return nil
}

// isHostName has the rules of RFC 1123, 2.1, and allows the underscore that some names of services have. The last label is not a
// number: that would be a mistaken address.
func isHostName(s string) bool {
	const longest = 253
	if s == "" || len(s) > longest {
		return false
	}
	labels := strings.Split(s, ".")
	for _, l := range labels {
		good := strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
		if l == "" || len(l) > 63 || !good || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

func (r *EgressRule) setPorts(s string) error {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	a, err := strconv.ParseUint(first, 10, 16)
	b, lastErr := strconv.ParseUint(last, 10, 16)
	if err != nil || lastErr != nil || a == 0 || b < a {
		return plain("%q is not a port, such as 443, or a range of them, such as 8000-8010", s)
	}
	r.First, r.Last = uint16(a), uint16(b)
	return nil
}

// allow takes one --egress.
func (n *Network) allow(s string) error {
	list := append(n.Egress[:len(n.Egress):len(n.Egress)], s)
	if _, err := ParseEgressList(list); err != nil {
		return err
	}
	n.Egress = list
	return nil
}

// validateEgress says whether a list can hold the container.
func (n *Network) validateEgress() error {
	if len(n.Egress) == 0 {
		return nil
	}
	if n.Mode != "" && n.Mode != NetworkBridge {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --egress with --network %s: the list holds on bridge networks only; leave out one of them", n.Mode)
	}
	_, err := ParseEgressList(n.Egress)
	return err
}
