package netconf_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/sys"
)

// What is in testdata/cni was written by Podman 4.3.1.
func TestWhatPodmanWroteForCNI(t *testing.T) {
	s := newStore(t)
	s.Podman = append(s.Podman, "testdata/cni")
	for name, want := range map[string]string{
		"full":   "10.131.2.0/24 via 10.131.2.9, 10.131.2.129-10.131.2.191 map[mtu:1400] map[a:b c:] default:true names:false",
		"six":    "10.89.1.0/24 via 10.89.1.1, fd20:6e4b:f701:c821::/64 via fd20:6e4b:f701:c821::1, map[] map[] default:true names:false",
		"inner":  "10.89.2.0/24 via 10.89.2.1, map[] map[] default:false names:false",
		"iso":    "10.89.4.0/24 via 10.89.4.1, map[isolate:true] map[] default:true names:false",
		"noipam": "map[] map[] default:true names:false",
	} {
		n, err := s.Find(name)
		must(t, err)
		if got := tell(n); got != want || !n.Foreign || n.Created.IsZero() || n.Owner == "" || strings.HasPrefix(n.NetworkInterface, "cni") {
			t.Errorf("%s: %s\n%+v", name, got, n)
		}
	}
	n, err := s.Find("six")
	must(t, err)
	if !n.IPv6Enabled {
		t.Error("no IPv6")
	}
	for name, want := range map[string]string{"vlan": "needs a real interface", "dhcp": `no IPAM driver "dhcp"`, "mac": "driver macvlan needs a real interface"} {
		if _, err := s.Find(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func tell(n *netconf.Network) string {
	var b strings.Builder
	for _, s := range n.Subnets {
		fmt.Fprintf(&b, "%s via %s, ", s.Subnet, s.Gateway)
		if r := s.LeaseRange; r != nil {
			fmt.Fprintf(&b, "%s-%s ", r.StartIP, r.EndIP)
		}
	}
	for _, r := range n.Routes {
		fmt.Fprintf(&b, "to %s via %s ", r.Destination, r.Gateway)
	}
	fmt.Fprintf(&b, "%v %v default:%v names:%v", n.Options, n.Labels, n.DefaultRoute(), n.DNSEnabled)
	return b.String()
}

// What else may be in such a file is carried out, or said not to be.
func TestPluginsOfCNI(t *testing.T) {
	const bridge = `{"type":"bridge","isGateway":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.77.0.0/24"REST}]],"routes":[{"dst":"0.0.0.0/0"}ROUTE]}}`
	plain := strings.NewReplacer("REST", "", "ROUTE", "").Replace(bridge)
	for name, c := range map[string]struct{ plugins, want string }{
		"names":     {plain + `,{"type":"dnsname","domainName":"dns.podman","capabilities":{"aliases":true}}`, "10.77.0.0/24 via 10.77.0.1, map[] map[] default:true names:true"},
		"strange":   {plain + `,{"type":"bandwidth","ingressRate":123}`, `"bandwidth": there is none in Moss`},
		"tuned":     {plain + `,{"type":"tuning","sysctl":{"net.core.somaxconn":"500"}}`, `"tuning": what it is told is not carried out.*sysctl`},
		"zone":      {plain + `,{"type":"firewall","firewalldZone":"inside"}`, `firewalldZone`},
		"alone":     {plain + `,{"type":"firewall","ingressPolicy":"isolated"}`, `no ingressPolicy "isolated"`},
		"from":      {strings.NewReplacer("REST", `,"rangeStart":"10.77.0.9"`, "ROUTE", "").Replace(bridge), "10.77.0.0/24 via 10.77.0.1, 10.77.0.9-10.77.0.254 map[] map[] default:true names:false"},
		"elsewhere": {strings.NewReplacer("REST", `,"rangeEnd":"10.78.0.9"`, "ROUTE", "").Replace(bridge), "10.78.0.9"},
		"way":       {strings.NewReplacer("REST", "", "ROUTE", `,{"dst":"10.1.0.0/16","gw":"10.77.0.3"}`).Replace(bridge), "10.77.0.0/24 via 10.77.0.1, to 10.1.0.0/16 via 10.77.0.3 map[] map[] default:true names:false"},
		"no-way":    {strings.NewReplacer("REST", "", "ROUTE", `,{"dst":"10.1.0.0/16"}`).Replace(bridge), "the route to 10.1.0.0/16 has no gw"},
		"closed":    {`{"type":"bridge","isGateway":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.77.0.0/24"}]]}}`, "10.77.0.0/24 via 10.77.0.1, map[no_default_route:true] map[] default:false names:false"},
		"nowhere":   {`{"type":"bridge","ipam":{"type":"host-local","ranges":[[{}]]}}`, "a range has no subnet"},
		"twice":     {`{"type":"bridge","ipam":{"type":"host-local","ranges":[[{"subnet":"10.1.0.0/24"},{"subnet":"10.2.0.0/24"}]]}}`, "at most one of IPv4"},
	} {
		s := newStore(t)
		must(t, os.MkdirAll(s.Podman[0], 0o700))
		must(t, os.WriteFile(filepath.Join(s.Podman[0], "x.conflist"), fmt.Appendf(nil, `{"cniVersion":"0.4.0","name":%q,"plugins":[%s]}`, name, c.plugins), 0o600))
		n, err := s.Find(name)
		got := fmt.Sprint(err)
		if err == nil {
			got = tell(n)
		}
		if !matches(c.want, got) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// matches says whether all parts of what is wanted, which dots and a star divide, are there in order.
func matches(want, got string) bool {
	for part := range strings.SplitSeq(want, ".*") {
		_, rest, ok := strings.Cut(got, part)
		if !ok {
			return false
		}
		got = rest
	}
	return true
}

// FuzzCNI reads what somebody else may have written.
func FuzzCNI(f *testing.F) {
	files, _ := filepath.Glob("testdata/cni/*.conflist")
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newStore(t)
		must(t, os.MkdirAll(s.Podman[0], 0o700))
		must(t, os.WriteFile(filepath.Join(s.Podman[0], "a.conflist"), data, 0o600))
		all, err := s.All()
		must(t, err)
		for _, n := range all {
			if _, err := json.Marshal(n); err != nil {
				t.Error(err)
			}
			for _, subnet := range n.Subnets {
				if n.Damaged == nil && !subnet.Offers(subnet.Gateway.Next()) && !subnet.Offers(subnet.Gateway.Prev()) {
					t.Errorf("%+v has nothing for anybody", subnet)
				}
			}
		}
	})
}

// What is no file is passed over, as what cannot be read is.
func TestWhatIsNoFile(t *testing.T) {
	s := newStore(t)
	must(t, os.MkdirAll(s.Podman[0], 0o700))
	must(t, os.Symlink("/dev/zero", filepath.Join(s.Podman[0], "a.conflist")))
	must(t, os.Symlink("nowhere", filepath.Join(s.Podman[0], "b.conflist")))
	must(t, os.Mkdir(filepath.Join(s.Podman[0], "c.json"), 0o700))
	must(t, sys.MakeFIFO(filepath.Join(s.Podman[0], "d.json")))
	if all, err := s.All(); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

// Whom both of Podman's kinds of network have is netavark's, which Podman has been using by default since it had it.
func TestOneNameInBothKinds(t *testing.T) {
	s := newStore(t)
	s.Podman = append(s.Podman, "testdata/cni")
	must(t, os.MkdirAll(s.Podman[0], 0o700))
	must(t, os.WriteFile(filepath.Join(s.Podman[0], "full.json"), []byte(`{"name":"full","driver":"bridge","subnets":[{"subnet":"10.77.0.0/24"}]}`), 0o600))
	n, err := s.Find("full")
	must(t, err)
	if n.Subnets[0].Subnet != netip.MustParsePrefix("10.77.0.0/24") {
		t.Errorf("%+v", n)
	}
}
