package netstack

import (
	"net/netip"
	"testing"

	"github.com/mosscontainers/moss/network/uplink"
)

func TestWhereAnAddressLeads(t *testing.T) {
	closed := outside{families: []uplink.Addresses{uplink.In(uplink.Subnet), uplink.In(uplink.Subnet6)}}
	open := outside{families: closed.families, hostLoopback: true}
	const nowhere = "invalid AddrPort"
	for _, c := range []struct {
		out      *outside
		to, want string
	}{
		{&closed, "192.0.2.1:80", "192.0.2.1:80"},
		{&closed, "169.254.169.254:80", "169.254.169.254:80"}, // where clouds tell a machine about itself
		{&closed, "[2001:db8::1]:80", "[2001:db8::1]:80"},
		{&closed, "127.0.0.1:80", nowhere},
		{&closed, "127.255.0.1:80", nowhere},
		{&closed, "0.0.0.0:80", nowhere}, // connects to this machine
		{&closed, "0.1.2.3:80", nowhere},
		{&closed, "224.0.0.251:5353", nowhere},
		{&closed, "255.255.255.255:67", nowhere},
		{&closed, "[::]:80", nowhere},
		{&closed, "[::1]:80", nowhere},
		{&closed, "[::ffff:127.0.0.1]:80", nowhere},
		{&closed, "[::ffff:192.0.2.1]:80", nowhere},
		{&closed, "[fe80::1]:80", nowhere},
		{&closed, "[ff02::1]:80", nowhere},
		{&closed, "10.0.2.2:80", nowhere},
		{&closed, "10.0.2.3:80", nowhere},
		{&closed, "10.0.2.77:80", nowhere},
		{&closed, "[fd00::2]:80", nowhere},
		{&open, "10.0.2.2:80", "127.0.0.1:80"},
		{&open, "[fd00::2]:80", "[::1]:80"},
		{&open, "127.0.0.1:80", nowhere},
		{&open, "10.0.2.3:80", nowhere},
	} {
		if got := c.out.target(netip.MustParseAddrPort(c.to)).String(); got != c.want {
			t.Errorf("%s leads to %s, not %s", c.to, got, c.want)
		}
	}
}

func TestTheFirstNameServerIsAsked(t *testing.T) {
	for conf, want := range map[string]string{
		"":                     "127.0.0.1:53", // resolv.conf(5)
		"search example.org\n": "127.0.0.1:53",
		"# nameserver 9.9.9.9\nnameserver nobody\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n": "192.0.2.53:53",
		"nameserver fe80::1%eth0": "[fe80::1%eth0]:53",
	} {
		if got := firstServer([]byte(conf)).String(); got != want {
			t.Errorf("%q: %s, not %s", conf, got, want)
		}
	}
}
