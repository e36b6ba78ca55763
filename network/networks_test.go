package network_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// makes makes a network in a store of the user's.
func (u *user) makes(n netconf.Network) *netconf.Network {
	u.t.Helper()
	s := netconf.Store{Dir: filepath.Join(u.dir, "networks"), Meet: filepath.Join(u.dir, "stores")}
	n.DNSEnabled = true
	must(u.t, s.Create(&n, netconf.CreateOptions{}))
	return &n
}

// on connects a container to networks until the test ends.
func (u *user) on(id string, networks ...*netconf.Network) *network.Attachment {
	u.t.Helper()
	r := u.request(id)
	for _, n := range networks {
		r.Connections = append(r.Connections, network.Connection{Network: n})
	}
	return u.attachWith(r)
}

// reaches says whether a container reaches another one at its n-th endpoint, by an address that get chooses.
func reaches(t *testing.T, from, to *network.Attachment, n int, get func(spec.Endpoint) netip.Prefix) bool {
	t.Helper()
	addr := get(to.Endpoints[n]).Addr()
	var ln net.Listener
	must(t, sys.InNetNS(to.NetNS, func() (err error) {
		ln, err = net.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
		return err
	}))
	defer ln.Close()
	conn, err := dial(from, "tcp", ln.Addr().String())
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func v4(e spec.Endpoint) netip.Prefix { return e.Address }
func v6(e spec.Endpoint) netip.Prefix { return e.Address6 }

func TestNetworksOfOneUser(t *testing.T) {
	u := newUser(t)
	isolate := map[string]string{"isolate": "true"}
	open, other := u.makes(netconf.Network{Name: "open"}), u.makes(netconf.Network{Name: "other"})
	one, two := u.makes(netconf.Network{Name: "one", Options: isolate}), u.makes(netconf.Network{Name: "two", Options: isolate})
	strict := u.makes(netconf.Network{Name: "strict", Options: map[string]string{"isolate": "strict"}})
	inner := u.makes(netconf.Network{Name: "inner", Internal: true})
	at := map[string]*network.Attachment{}
	for _, n := range []*netconf.Network{open, other, one, two, strict, inner} {
		at[n.Name] = u.on("on-"+n.Name, n)
	}
	neighbour := u.on("neighbour", inner)
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"open", "other", true},
		{"other", "open", true},
		{"one", "two", false},
		{"one", "open", true},
		{"open", "one", true},
		{"strict", "open", false},
		{"open", "strict", false},
		{"inner", "open", false},
		{"open", "inner", false},
	} {
		if got := reaches(t, at[c.from], at[c.to], 0, v4); got != c.want {
			t.Errorf("from %s to %s: %v", c.from, c.to, got)
		}
	}
	if !reaches(t, at["inner"], neighbour, 0, v4) {
		t.Error("containers on an internal network do not reach each other")
	}
	outside, _ := listen(t, nil, hostAddress(t)+":0")
	for name, want := range map[string]bool{"open": true, "strict": true, "inner": false} {
		conn, err := dial(at[name], "tcp4", outside.String())
		if err == nil {
			conn.Close()
		}
		if (err == nil) != want {
			t.Errorf("from %s to the outside: %v", name, err)
		}
	}
}

func TestAContainerOnSeveralNetworks(t *testing.T) {
	u := newUser(t)
	front, back := u.makes(netconf.Network{Name: "front", IPv6Enabled: true}), u.makes(netconf.Network{Name: "back", Internal: true})
	app := u.on("app", front, back)
	web, db := u.on("web", front), u.on("db", back)
	if app.Endpoints[0].Interface != "eth0" || app.Endpoints[1].Interface != "eth1" || app.Endpoints[1].Network != "back" {
		t.Errorf("%+v", app.Endpoints)
	}
	if !reaches(t, web, app, 0, v4) || !reaches(t, app, db, 0, v4) || !reaches(t, db, app, 1, v4) {
		t.Error("it does not reach both")
	}
	if !reaches(t, web, app, 0, v6) {
		t.Error("no IPv6")
	}
	if reaches(t, web, db, 0, v4) {
		t.Error("one reaches the other through it")
	}
}

func TestAddressesThatAreAskedFor(t *testing.T) {
	u := newUser(t)
	n := u.makes(netconf.Network{Name: "mine", IPv6Enabled: true, Subnets: []netconf.Subnet{
		{Subnet: netip.MustParsePrefix("10.111.0.0/29"), LeaseRange: &netconf.LeaseRange{StartIP: netip.MustParseAddr("10.111.0.4"), EndIP: netip.MustParseAddr("10.111.0.5")}},
		{Subnet: netip.MustParsePrefix("fd00:6d6f::/64")},
	}})
	ask := func(id string, c spec.Connection) (*network.Attachment, error) {
		r := u.request(id)
		r.Connections = []network.Connection{{Network: n, Connection: c}}
		return u.try(r)
	}
	a, err := ask("aaaa", spec.Connection{
		IP: netip.MustParseAddr("10.111.0.2"), IP6: netip.MustParseAddr("fd00:6d6f::77"), MAC: "02:00:00:00:00:42", Interface: "net0",
	})
	must(t, err)
	want := spec.Endpoint{
		Network: "mine", Interface: "net0", MAC: "02:00:00:00:00:42",
		Address: netip.MustParsePrefix("10.111.0.2/29"), Gateway: netip.MustParseAddr("10.111.0.1"),
		Address6: netip.MustParsePrefix("fd00:6d6f::77/64"), Gateway6: netip.MustParseAddr("fd00:6d6f::1"),
	}
	if fmt.Sprint(a.Endpoints[0]) != fmt.Sprint(want) {
		t.Errorf("got %v", a.Endpoints[0])
	}
	for _, c := range []struct {
		ask  spec.Connection
		kind error
	}{
		{spec.Connection{IP: want.Address.Addr()}, errdefs.ErrConflict},
		{spec.Connection{IP6: want.Address6.Addr()}, errdefs.ErrConflict},
		{spec.Connection{IP: netip.MustParseAddr("10.111.0.1")}, errdefs.ErrInvalid},
		{spec.Connection{IP: netip.MustParseAddr("192.0.2.1")}, errdefs.ErrInvalid},
	} {
		if _, err := ask("bbbb", c.ask); !errors.Is(err, c.kind) {
			t.Errorf("%v: %v", c.ask, err)
		}
	}
	seen := map[netip.Addr]bool{}
	for _, id := range []string{"cccc", "dddd"} { // the range has two
		c, err := ask(id, spec.Connection{})
		must(t, err)
		seen[address4(c)] = true
	}
	if len(seen) != 2 || !seen[netip.MustParseAddr("10.111.0.4")] || !seen[netip.MustParseAddr("10.111.0.5")] {
		t.Errorf("the range gave %v", seen)
	}
	if _, err := ask("eeee", spec.Connection{}); !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "all of 10.111.0.4 to 10.111.0.5 are in use") {
		t.Errorf("a full range: %v", err)
	}
}

func TestPluggingIntoANamespace(t *testing.T) {
	u := newUser(t)
	front, back := u.makes(netconf.Network{Name: "front", Internal: true}), u.makes(netconf.Network{Name: "back", IPv6Enabled: true})
	a, b := u.on("aaaa", front), u.on("bbbb", back)
	if reaches(t, a, b, 0, v4) {
		t.Fatal("it reaches the other network before")
	}
	r := u.request("aaaa")
	r.Connections = []network.Connection{{Network: back}}
	got, err := network.Plug(t.Context(), r, a.NetNS)
	must(t, err)
	if len(got) != 1 || got[0].Interface != "eth1" || !reaches(t, a, b, 0, v4) || !reaches(t, a, b, 0, v6) {
		t.Errorf("%+v", got)
	}
	outside, _ := listen(t, nil, hostAddress(t)+":0")
	conn, err := dial(a, "tcp4", outside.String()) // back has a default route, front has none
	expectHello(t, conn, err)

	must(t, network.Unplug(r, back, &got[0]))
	must(t, sys.InNetNS(a.NetNS, func() error {
		if _, err := netlink.LinkByName("eth1"); err == nil {
			t.Error("the interface is still there")
		}
		return nil
	}))
	r.Connections[0].Last = &got[0] // as after the namespace's holder was killed
	again, err := network.Plug(t.Context(), r, a.NetNS)
	must(t, err)
	if again[0].Address != got[0].Address || again[0].Address6 != got[0].Address6 || again[0].MAC != got[0].MAC {
		t.Errorf("it had %+v and has %+v", got[0], again[0])
	}
}

// A container that keeps an address for its ports does not take a neighbour for itself that got it meanwhile.
func TestAKeptAddressIsOnesOwnAgainOrNot(t *testing.T) {
	u := newUser(t)
	n := u.makes(netconf.Network{Name: "front"})
	a := u.on("aaaa", n)
	kept := a.Endpoints[0]
	leave := func(r network.Request, at *spec.Endpoint) {
		t.Helper()
		must(t, network.Unplug(r, n, at))
		must(t, network.KeepAddress(a.NetNS, kept.Address.Addr()))
	}
	leave(u.request("aaaa"), &kept)
	other := u.request("bbbb") // which would get another one
	other.Connections = []network.Connection{{Network: n}}
	got, err := network.Plug(t.Context(), other, a.NetNS)
	must(t, err)
	if got[0].Address != kept.Address {
		t.Errorf("it kept %s, and has %s", kept.Address, got[0].Address)
	}
	leave(other, &got[0])
	r := u.request("cccc")
	r.Connections = []network.Connection{{Network: n, Connection: spec.Connection{IP: kept.Address.Addr()}}}
	b := u.attachWith(r)
	other.Connections = []network.Connection{{Network: n}}
	if got, err = network.Plug(t.Context(), other, a.NetNS); err != nil || got[0].Address == kept.Address {
		t.Fatalf("%+v, %v", got, err)
	}
	if !reaches(t, a, b, 0, v4) {
		t.Error("it does not reach who has the address now")
	}
}

func TestTwoStoresDoNotClash(t *testing.T) {
	u := newUser(t)
	var on []*network.Attachment
	for i := range 3 {
		s := netconf.Store{Dir: fmt.Sprint(u.dir, "/", i), Meet: filepath.Join(u.dir, "stores")}
		n := &netconf.Network{Name: "same"}
		must(t, s.Create(n, netconf.CreateOptions{}))
		on = append(on, u.on(fmt.Sprint("c", i), n))
	}
	if address4(on[0]) == address4(on[1]) || !reaches(t, on[0], on[1], 0, v4) || !reaches(t, on[1], on[2], 0, v4) {
		t.Error("they do")
	}
	// Stores that did not know of each other, and chose alike.
	s := netconf.Store{Dir: u.dir + "/elsewhere", Meet: filepath.Join(u.dir, "other-stores")}
	n := &netconf.Network{Name: "clash", Subnets: []netconf.Subnet{{Subnet: on[0].Endpoints[0].Address.Masked()}}}
	must(t, s.Create(n, netconf.CreateOptions{}))
	r := u.request("late")
	r.Connections = []network.Connection{{Network: n}}
	if _, err := u.try(r); !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "another store") {
		t.Errorf("the same subnet again: %v", err)
	}
}

func TestRulesThatSomebodyRemovedAreMadeAnew(t *testing.T) {
	u := newUser(t)
	apart, other := u.makes(netconf.Network{Name: "apart", Options: map[string]string{"isolate": "strict"}}), u.makes(netconf.Network{Name: "other"})
	a, b := u.on("aaaa", apart), u.on("bbbb", other)
	elsewhere := netconf.Store{Dir: u.dir + "/elsewhere", Meet: filepath.Join(u.dir, "stores")}
	inner := &netconf.Network{Name: "inner", Options: map[string]string{"isolate": "strict"}}
	must(t, elsewhere.Create(inner, netconf.CreateOptions{}))
	c := u.on("cccc", inner)
	outside, _ := listen(t, nil, hostAddress(t)+":0")
	must(t, sys.InNetNS(a.Keep[0], func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		conn.FlushRuleset()
		return conn.Flush()
	}))
	if !reaches(t, a, b, 0, v4) || !reaches(t, c, b, 0, v4) {
		t.Fatal("the rules are still there")
	}
	for range 2 {
		must(t, network.Repair(u.request("aaaa")))
		if reaches(t, a, b, 0, v4) || reaches(t, b, a, 0, v4) {
			t.Error("the networks are not kept apart")
		}
		if reaches(t, c, b, 0, v4) || reaches(t, b, c, 0, v4) {
			t.Error("the network of another store is not kept apart")
		}
		conn, err := dial(a, "tcp4", outside.String())
		expectHello(t, conn, err)
	}
}

// The bridge asks no neighbours whether its addresses are theirs: until it had, it would pass nothing on to containers.
func TestAFreshBridgePassesOnIPv6(t *testing.T) {
	u := newUser(t)
	n := u.makes(netconf.Network{Name: "six", IPv6Enabled: true})
	a := u.on("aaaa", n)
	must(t, sys.InNetNS(a.Keep[0], func() error {
		data, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + n.NetworkInterface + "/accept_dad")
		if err != nil || strings.TrimSpace(string(data)) != "0" {
			t.Errorf("it asks them: %s, %v", data, err)
		}
		return nil
	}))
}

// What a bridge is kept apart from is its group, which an older moss did not say.
func TestABridgeOfAnOlderMossIsSorted(t *testing.T) {
	u := newUser(t)
	inner, other := u.makes(netconf.Network{Name: "inner", Options: map[string]string{"isolate": "strict"}}), u.makes(netconf.Network{Name: "other"})
	a, b := u.on("aaaa", inner), u.on("bbbb", other)
	must(t, sys.InNetNS(a.Keep[0], func() error {
		link, err := netlink.LinkByName(inner.NetworkInterface)
		must(t, err)
		must(t, netlink.LinkSetGroup(link, 0))
		conn, err := nftables.New()
		must(t, err)
		conn.FlushTable(&nftables.Table{Name: "moss", Family: nftables.TableFamilyINet})
		return conn.Flush()
	}))
	if !reaches(t, b, a, 0, v4) {
		t.Fatal("the rules are still there")
	}
	must(t, network.Repair(u.request("aaaa")))
	c := u.on("cccc", inner)
	if reaches(t, b, a, 0, v4) || reaches(t, b, c, 0, v4) {
		t.Error("the network is not kept apart")
	}
}

func TestARemovedBridgeIsGone(t *testing.T) {
	u := newUser(t)
	n := u.makes(netconf.Network{Name: "short", Internal: true})
	a := u.on("aaaa", n)
	a.Close()
	r := u.request("")
	must(t, network.RemoveBridge(r, n))
	taken, err := network.Subnets(r)
	must(t, err)
	if p, ok := netconf.Overlap(n.Subnets[0].Subnet, taken); ok {
		t.Errorf("%s is still there", p)
	}
}
