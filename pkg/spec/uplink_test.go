package spec_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mosscontainers/moss/pkg/spec"
)

func TestOptionsOfSlirp4netns(t *testing.T) {
	got, err := spec.ParseSlirp("mtu=1500,cidr=10.1.0.0/16,allow_host_loopback=true,enable_ipv6=false,outbound_addr=eth0,outbound_addr6=2001:db8::1,port_handler=slirp4netns")
	want := spec.Slirp{
		MTU: 1500, CIDR: netip.MustParsePrefix("10.1.0.0/16"), AllowHostLoopback: true, DisableIPv6: true,
		Outbound: "eth0", Outbound6: "2001:db8::1",
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for _, option := range []string{
		"mtu=", "mtu=70000", "mtu=1000", "cidr=10.0.2.0", "cidr=10.0.2.5/24", "cidr=10.0.2.0/26", "cidr=fd00::/64", "allow_host_loopback=yes",
		"enable_ipv6=", "outbound_addr=::1", "outbound_addr6=10.0.0.1", "outbound_addr=", "port_handler=none", "wire=2", "", "mtu=1500,,",
	} {
		if _, err := spec.ParseSlirp(option); err == nil || !strings.HasPrefix(err.Error(), option[:min(len(option), 8)]) && option != "mtu=1500,," {
			t.Errorf("%q: %v", option, err)
		}
	}
}

func TestOptionsOfPasta(t *testing.T) {
	got, err := spec.ParsePasta("-a,10.0.2.0,--ipv4-only")
	if err != nil || !slices.Equal(got, []string{"-a", "10.0.2.0", "--ipv4-only"}) {
		t.Error(got, err)
	}
	for _, options := range []string{"10.0.2.0", "-4,", "--netns,/x", "--pid=/x", "-f", "--runas,0"} {
		if _, err := spec.ParsePasta(options); err == nil {
			t.Errorf("%q is taken", options)
		}
	}
}
