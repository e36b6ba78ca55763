package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// NetworkPasta is a network of the container's own, by pasta.
const NetworkPasta = "pasta"

// Slirp are the options of --network slirp4netns:OPTION=VALUE,…: a network of the container's own. Without any
// option the container is on the network that all share.
type Slirp struct {
	MTU               int          // 0 is the largest
	CIDR              netip.Prefix // not valid: 10.0.2.0/24
	AllowHostLoopback bool         // the gateway's address is the host's 127.0.0.1
	DisableIPv6       bool
	Outbound          string // address or interface of the host's that connections come from
	Outbound6         string
}

// The bounds of what slirp4netns takes.
const (
	minMTU, maxMTU = 68, 65520
	minIPv6MTU     = 1280 // RFC 8200
	maxCIDRBits    = 25
)

// ParseSlirp reads the options. Its errors name the option.
func ParseSlirp(options string) (s Slirp, err error) {
	for option := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(option, "=")
		if err := s.set(key, value); err != nil {
			return s, fmt.Errorf("%s: %w", option, err)
		}
	}
	if s.MTU != 0 && s.MTU < minIPv6MTU && !s.DisableIPv6 {
		return s, fmt.Errorf("mtu=%d: IPv6 wants %d at least; add enable_ipv6=false", s.MTU, minIPv6MTU)
	}
	return s, nil
}

func (s *Slirp) set(key, value string) (err error) {
	switch key {
	case "mtu":
		if s.MTU, err = strconv.Atoi(value); err != nil || s.MTU < minMTU || s.MTU > maxMTU {
			return fmt.Errorf("want a number from %d to %d", minMTU, maxMTU)
		}
	case "cidr":
		if s.CIDR, err = netip.ParsePrefix(value); err != nil || !s.CIDR.Addr().Is4() || s.CIDR.Bits() > maxCIDRBits || s.CIDR.Bits() == 0 || s.CIDR.Masked() != s.CIDR {
			return fmt.Errorf("want an IPv4 network with at most %d bits, such as 10.0.2.0/24", maxCIDRBits)
		}
	case "allow_host_loopback":
		s.AllowHostLoopback, err = parseTruth(value)
	case "enable_ipv6":
		s.DisableIPv6, err = parseTruth(value)
		s.DisableIPv6 = !s.DisableIPv6
	case "outbound_addr":
		s.Outbound, err = value, checkOutbound(value, "an IPv4", netip.Addr.Is4)
	case "outbound_addr6":
		s.Outbound6, err = value, checkOutbound(value, "an IPv6", netip.Addr.Is6)
	case "port_handler": // ours is one for all, and has what either is chosen for: it is quick and keeps the client's address
		if value != "rootlesskit" && value != "slirp4netns" {
			return fmt.Errorf("want rootlesskit or slirp4netns")
		}
	default:
		return fmt.Errorf("there is no such option; there are mtu, cidr, allow_host_loopback, enable_ipv6, outbound_addr, outbound_addr6 and port_handler")
	}
	return err
}

func parseTruth(s string) (bool, error) {
	if s != "true" && s != "false" {
		return false, fmt.Errorf("want true or false")
	}
	return s == "true", nil
}

// checkOutbound checks an address, or the name of an interface.
func checkOutbound(s, kind string, fits func(netip.Addr) bool) error {
	if addr, err := netip.ParseAddr(s); err == nil && fits(addr) {
		return nil
	} else if err == nil || s == "" || strings.ContainsAny(s, "/: \t") || len(s) > 15 {
		return fmt.Errorf("want %s address or the name of an interface", kind)
	}
	return nil
}

// checkUplink checks the options of slirp4netns or pasta.
func checkUplink(kind, options string, has bool) (err error) {
	if kind == NetworkPasta {
		_, err = ParsePasta(options)
	} else if has {
		_, err = ParseSlirp(options)
	}
	return err
}

// ownedByMoss are the options of pasta's that say what it serves and how it runs.
var ownedByMoss = []string{
	"-f", "--foreground", "-P", "--pid", "--netns", "--userns", "--netns-only", "--no-netns-quit", "--runas", "-F", "--fd", "-q", "--quiet",
	"-e", "--stderr", "-h", "--help", "--version", "--config-net",
}

// ParsePasta reads the options of --network pasta:OPTION,…: pasta's own, each word between commas. pasta checks them.
func ParsePasta(options string) ([]string, error) {
	if options == "" {
		return nil, nil
	}
	words := strings.Split(options, ",")
	if !strings.HasPrefix(words[0], "-") {
		return nil, fmt.Errorf("%s: want options of pasta's, which begin with a dash", words[0])
	}
	for _, word := range words {
		name, _, _ := strings.Cut(word, "=")
		if word == "" || slices.Contains(ownedByMoss, name) {
			return nil, fmt.Errorf("%s: that is moss's to say; leave it out", word)
		}
	}
	return words, nil
}
