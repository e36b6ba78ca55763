package netconf_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

func newStore(t *testing.T) *netconf.Store {
	dir := t.TempDir()
	return &netconf.Store{Dir: filepath.Join(dir, "networks"), Meet: filepath.Join(dir, "meet"), Podman: []string{filepath.Join(dir, "podman")}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestARecordIsPodmans(t *testing.T) {
	s := newStore(t)
	metric := uint32(7)
	must(t, s.Create(&netconf.Network{
		Name: "web", DNSEnabled: true, Internal: true, NetworkInterface: "br-web",
		NetworkDNSServers: []netip.Addr{netip.MustParseAddr("192.0.2.53")},
		Subnets: []netconf.Subnet{
			{Subnet: netip.MustParsePrefix("10.77.0.0/24"), LeaseRange: &netconf.LeaseRange{StartIP: netip.MustParseAddr("10.77.0.9"), EndIP: netip.MustParseAddr("10.77.0.19")}},
			{Subnet: netip.MustParsePrefix("fd00:77::/64"), Gateway: netip.MustParseAddr("fd00:77::99")},
		},
		Routes: []netconf.Route{{Destination: netip.MustParsePrefix("10.1.0.0/16"), Gateway: netip.MustParseAddr("10.77.0.3"), Metric: &metric}},
		Labels: map[string]string{"tier": "web"}, Options: map[string]string{"mtu": "1400", "isolate": "strict"},
	}, netconf.CreateOptions{}))
	n, err := s.Find("web")
	must(t, err)
	data, err := os.ReadFile(filepath.Join(s.Dir, "web", "network.json"))
	must(t, err)
	want, err := os.ReadFile("testdata/network.json")
	must(t, err)
	got := strings.Replace(string(data), n.Created.Format("2006-01-02T15:04:05.999999999Z07:00"), "CREATED", 1)
	if got != strings.TrimSpace(string(want)) {
		t.Errorf("got\n%s", got)
	}
	if n.MTU() != 1400 || n.Isolation() != netconf.Strict || n.DefaultRoute() || n.ID != netconf.ID("web") {
		t.Errorf("%+v", n)
	}
	for _, ref := range []string{n.ID, n.ID[:12]} {
		if found, err := s.Find(ref); err != nil || found.Name != "web" {
			t.Errorf("%s: %v", ref, err)
		}
	}
	_, err = s.Update("web", func(n *netconf.Network) error {
		n.ChangeServers([]netip.Addr{netip.MustParseAddr("192.0.2.54")}, []netip.Addr{netip.MustParseAddr("192.0.2.53")})
		return nil
	})
	must(t, err)
	if n, err = s.Find("web"); err != nil || fmt.Sprint(n.NetworkDNSServers) != "[192.0.2.54]" {
		t.Errorf("%v, %v", n.NetworkDNSServers, err)
	}
	must(t, s.Remove("web", func(*netconf.Network) error { return nil }))
	if _, err := s.Find("web"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Error("it is still there:", err)
	}
}

func TestSubnetsAreFree(t *testing.T) {
	s := newStore(t)
	hosts, err := netconf.HostRoutes()
	must(t, err)
	used := []netip.Prefix{netip.MustParsePrefix("10.89.0.0/17"), netip.MustParsePrefix("10.89.128.0/18")}
	var taken []netip.Prefix
	for i := range 70 { // more than the nearest sixteen bits have left
		n := &netconf.Network{Name: fmt.Sprint("n", i), IPv6Enabled: i%2 == 0}
		must(t, s.Create(n, netconf.CreateOptions{Taken: used}))
		for _, sub := range n.Subnets {
			if clash, ok := netconf.Overlap(sub.Subnet, slices.Concat(taken, hosts)); ok {
				t.Fatalf("%s overlaps %s", sub.Subnet, clash)
			}
			taken = append(taken, sub.Subnet)
		}
		if len(n.Subnets) != 1+(i+1)%2 {
			t.Fatalf("%v", n.Subnets)
		}
	}
	for _, p := range used {
		if clash, ok := netconf.Overlap(p, taken); ok {
			t.Errorf("%s was chosen, which is taken", clash)
		}
	}
}

func TestManyAtOnceGetDifferentSubnets(t *testing.T) {
	s := newStore(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			store := *s
			if i%2 == 1 { // another store of the same user
				store.Dir = filepath.Join(s.Dir, "..", "others")
			}
			if err := store.Create(&netconf.Network{Name: fmt.Sprint("n", i)}, netconf.CreateOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := s.All()
	must(t, err)
	others, err := (&netconf.Store{Dir: filepath.Join(s.Dir, "..", "others")}).All()
	must(t, err)
	seen := map[string]bool{}
	for _, n := range slices.Concat(all, others) {
		if n.Name != netconf.DefaultName {
			seen[n.Subnets[0].Subnet.String()] = true
			seen[n.NetworkInterface] = true
		}
	}
	if len(seen) != 32 {
		t.Errorf("%d subnets and bridges of 32", len(seen))
	}
}

func TestADamagedRecordHidesNoOther(t *testing.T) {
	s := newStore(t)
	must(t, s.Create(&netconf.Network{Name: "good"}, netconf.CreateOptions{}))
	must(t, os.MkdirAll(filepath.Join(s.Dir, "bad"), 0o700))
	must(t, os.WriteFile(filepath.Join(s.Dir, "bad", "network.json"), []byte("{"), 0o600))
	all, err := s.All()
	if err != nil || len(all) != 3 || all[0].Name != "bad" || all[0].Damaged == nil || all[1].Damaged != nil {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := s.Find("bad"); !errors.Is(err, errdefs.ErrDamaged) {
		t.Errorf("the damaged one: %v", err)
	}
	must(t, s.Remove("bad", func(*netconf.Network) error { return nil }))
}

func TestWhatCannotBe(t *testing.T) {
	one := func(prefix string) []netconf.Subnet { return []netconf.Subnet{{Subnet: netip.MustParsePrefix(prefix)}} }
	for want, n := range map[string]netconf.Network{
		"means something else":         {Name: "host"},
		"cannot use the name":          {Name: "../x"},
		"needs a real interface":       {Name: "x", Driver: "ipvlan"},
		"there is no driver":           {Name: "x", Driver: "overlay"},
		"there is no option":           {Name: "x", Options: map[string]string{"shiny": "1"}},
		"no value for the option mtu":  {Name: "x", Options: map[string]string{"mtu": "12"}},
		"at most 15 characters":        {Name: "x", NetworkInterface: "a-name-much-too-long"},
		"is taken; choose another":     {Name: "x", NetworkInterface: "veth0a580002"},
		"not one for machines":         {Name: "x", Subnets: one("224.0.0.0/24")},
		"which is not on the network":  {Name: "x", Subnets: one("10.77.0.0/24"), Routes: []netconf.Route{{Destination: netip.MustParsePrefix("10.1.0.0/16"), Gateway: netip.MustParseAddr("10.2.0.1")}}},
		"it has no subnets":            {Name: "x", Subnets: one("10.77.0.0/24"), IPAMOptions: map[string]string{"driver": "none"}},
		"there is no IPAM driver":      {Name: "x", IPAMOptions: map[string]string{"driver": "dhcp"}},
		"neither IPv4 nor IPv6":        {Name: "x", Subnets: one("::ffff:10.77.0.0/120")},
		"overlaps 10.88.0.0/16, which": {Name: "x", Subnets: one("10.88.9.0/24")},
	} {
		s := newStore(t)
		err := s.Create(&n, netconf.CreateOptions{})
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, errdefs.ErrInvalid) && !errors.Is(err, errdefs.ErrConflict) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestPodmansNetworksAreChecked(t *testing.T) {
	s := newStore(t)
	must(t, os.MkdirAll(s.Podman[0], 0o700))
	for name, rest := range map[string]string{
		"inner": `"internal":true,"subnets":[{"subnet":"10.77.1.0/24"}]`, // Podman gives it no gateway
		"wide":  `"subnets":[{"subnet":"10.77.2.0/24"},{"subnet":"10.77.3.0/24"}]`,
		"vlan":  `"options":{"vlan":"7"}`,
	} {
		must(t, os.WriteFile(filepath.Join(s.Podman[0], name+".json"), []byte(`{"name":"`+name+`","driver":"bridge",`+rest+`}`), 0o600))
	}
	n, err := s.Find("inner")
	must(t, err)
	if !n.Foreign || n.Subnets[0].Gateway != netip.MustParseAddr("10.77.1.1") || strings.HasPrefix(n.NetworkInterface, "podman") {
		t.Errorf("%+v", n)
	}
	for name, want := range map[string]string{"wide": "at most one of IPv4", "vlan": "needs a real interface"} {
		if _, err := s.Find(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRanges(t *testing.T) {
	within := netip.MustParsePrefix("10.77.0.0/24")
	for text, want := range map[string]string{
		"10.77.0.0/24": "10.77.0.1-10.77.0.254", "10.77.0.64/26": "10.77.0.64-10.77.0.127", "10.77.0.5-10.77.0.9": "10.77.0.5-10.77.0.9", "x": "", "10.77.0.1-": "",
	} {
		got := ""
		if r, err := netconf.ParseRange(text, within); err == nil {
			got = r.StartIP.String() + "-" + r.EndIP.String()
		}
		if got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// FuzzRecord reads what somebody else may have written.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"name":"a","subnets":[{"subnet":"10.1.0.0/24","gateway":"10.1.0.1"}],"options":{"mtu":"x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newStore(t)
		must(t, os.MkdirAll(s.Podman[0], 0o700))
		must(t, os.WriteFile(filepath.Join(s.Podman[0], "a.json"), data, 0o600))
		all, err := s.All()
		must(t, err)
		for _, n := range all {
			_, _, _ = n.MTU(), n.Isolation(), n.DefaultRoute()
		}
	})
}
