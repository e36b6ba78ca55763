package network_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

func TestResolvConfFollowsTheFlags(t *testing.T) {
	n := network.Names{Servers: []string{"192.0.2.53"}, Search: []string{"a.test", "b.test"}, Options: []string{"ndots:2"}}
	want := "search a.test b.test\nnameserver 192.0.2.53\noptions ndots:2\n"
	for _, mode := range []string{network.ModeSlirp, network.ModeNone, network.ModeHost} {
		if got := network.ResolvConf(mode, n); got != want {
			t.Errorf("%s: got\n%s", mode, got)
		}
	}
	got := network.ResolvConf(network.ModeSlirp, network.Names{Search: []string{"."}})
	if strings.Contains(got, "search") || !strings.Contains(got, "nameserver 10.0.2.3\n") {
		t.Errorf("with no search domains: got\n%s", got)
	}
	if got := network.ResolvConf(network.ModeNone, network.Names{}); got != "" {
		t.Errorf("without a network: got\n%s", got)
	}
}

func TestHostsNamesTheContainerAndAddedHosts(t *testing.T) {
	n := network.Names{Name: "web", Hostname: "web.test", AddHosts: []string{"db;db.test:192.0.2.7", "six:[2001:db8::1]"}}
	got, err := network.Hosts(network.ModeNone, n, []netip.Addr{netip.MustParseAddr("10.88.0.9"), netip.MustParseAddr("fd00::9")})
	must(t, err)
	for _, line := range []string{"127.0.0.1\tlocalhost", "10.88.0.9\tweb.test web\n", "fd00::9\tweb.test web\n", "192.0.2.7\tdb db.test\n", "2001:db8::1\tsix\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing in\n%s", line, got)
		}
	}
}

func TestABadAddedHostIsRefused(t *testing.T) {
	for entry, kind := range map[string]error{
		"db": errdefs.ErrInvalid, ":192.0.2.1": errdefs.ErrInvalid, "db:nowhere": errdefs.ErrInvalid,
		"a b:192.0.2.1": errdefs.ErrInvalid, "db:fe80::1%x\n192.0.2.1 evil": errdefs.ErrInvalid,
		"db:host-gateway": errdefs.ErrUnavailable,
	} {
		_, err := network.Hosts(network.ModeNone, network.Names{AddHosts: []string{entry}}, nil)
		if !errors.Is(err, kind) {
			t.Errorf("%q: %v", entry, err)
		}
	}
}
