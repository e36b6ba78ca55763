package server

import (
	"net/netip"
	"slices"
	"strings"
)

// reversed reads the name of a reverse lookup: 2.0.89.10.in-addr.arpa. (RFC 1035, 3.5), or nibbles below ip6.arpa. (RFC 3596, 2.5).
func reversed(name string) (netip.Addr, bool) {
	if labels, ok := strings.CutSuffix(name, ".in-addr.arpa."); ok {
		parts := strings.Split(labels, ".")
		slices.Reverse(parts)
		addr, err := netip.ParseAddr(strings.Join(parts, "."))
		return addr, err == nil && addr.Is4()
	}
	labels, ok := strings.CutSuffix(name, ".ip6.arpa.")
	const nibbles = 32
	if !ok || len(labels) != 2*nibbles-1 {
		return netip.Addr{}, false
	}
	text := make([]byte, 0, nibbles+nibbles/4)
	for i := len(labels) - 1; i >= 0; i -= 2 {
		if i > 0 && labels[i-1] != '.' {
			return netip.Addr{}, false
		}
		if len(text)%5 == 4 {
			text = append(text, ':')
		}
		text = append(text, labels[i])
	}
	addr, err := netip.ParseAddr(string(text))
	return addr, err == nil && addr.Is6()
}
