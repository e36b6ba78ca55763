package server_test

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	mdns "github.com/miekg/dns"

	"github.com/mosscontainers/moss/network/dns"
	"github.com/mosscontainers/moss/network/egress"
	"github.com/mosscontainers/moss/pkg/sys"
)

// holds makes rules for a container on a network, where nothing has its addresses but the server.
func (c *container) holds(b *bridge, lists ...egress.List) {
	c.t.Helper()
	cable := egress.Cable{
		Container: c.id, Bridge: b.name, Index: 1000, Lists: lists, Gateways: b.network.Gateways,
		MAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, BridgeMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1},
		Address: netip.PrefixFrom(netip.MustParseAddr("10.89.1.2"), 24), Address6: netip.PrefixFrom(netip.MustParseAddr("fd00:1::2"), 64),
	}
	must(c.t, sys.InNetNS(c.world.netns, func() error {
		return egress.Hold(cable, c.dir+"/egress.lock", func(int) bool { return true })
	}))
	for _, l := range lists {
		c.lists = append(c.lists, l.Names())
	}
}

// reachable are the addresses that the container was let reach by name, with the shortest time that is left for any.
func (c *container) reachable() (addrs []string, left time.Duration) {
	c.t.Helper()
	left = time.Hour * 1000
	must(c.t, sys.InNetNS(c.world.netns, func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		table := &nftables.Table{Name: "moss-egress", Family: nftables.TableFamilyINet}
		sets, err := conn.GetSets(table)
		if err != nil {
			return err
		}
		for _, s := range sets {
			if !strings.HasPrefix(s.Name, c.id+".") {
				continue
			}
			elements, err := conn.GetSetElements(s)
			if err != nil {
				return err
			}
			for _, e := range elements {
				a, _ := netip.AddrFromSlice(e.Key)
				addrs, left = append(addrs, a.String()), min(left, e.Expires)
			}
		}
		return nil
	}))
	slices.Sort(addrs)
	return slices.Compact(addrs), left
}

func (c *container) reaches(want ...string) {
	c.t.Helper()
	if got, _ := c.reachable(); !slices.Equal(got, want) {
		c.t.Errorf("it was let reach %q, not %q", got, want)
	}
}

func TestNamesOfAnEgressList(t *testing.T) {
	answer := func(w mdns.ResponseWriter, r *mdns.Msg) {
		m := new(mdns.Msg).SetReply(r)
		header := mdns.RR_Header{Name: r.Question[0].Name, Class: mdns.ClassINET, Ttl: 5}
		for name, addrs := range map[string][]string{
			"a.example.com.": {"198.51.100.1", "198.51.100.2"}, "example.com.": {"198.51.100.3"}, "evil.example.com.": {"10.0.2.2", "10.89.1.1", "10.89.1.3", "10.89.1.77", "127.0.0.1", "169.254.0.1"},
		} {
			for _, a := range addrs {
				if name == strings.ToLower(header.Name) && r.Question[0].Qtype == mdns.TypeA {
					header.Rrtype = mdns.TypeA
					m.Answer = append(m.Answer, &mdns.A{Hdr: header, A: net.ParseIP(a)})
				}
			}
			if name == strings.ToLower(header.Name) && r.Question[0].Qtype == mdns.TypeAAAA {
				header.Rrtype = mdns.TypeAAAA
				m.Answer = append(m.Answer, &mdns.AAAA{Hdr: header, AAAA: net.ParseIP("2001:db8::1")})
				if name == "evil.example.com." {
					m.Answer = []mdns.RR{&mdns.AAAA{Hdr: header, AAAA: net.ParseIP("fd00::3")}}
				}
				break
			}
		}
		_ = w.WriteMsg(m)
	}
	serveOutside(t, "127.0.0.1", answer)
	resolvConf(t, "nameserver 127.0.0.1\n")
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	c := w.container("aaa")
	c.holds(b, egress.List{{Name: "*.example.com", First: 443, Last: 443}, {Name: "db"}, {Name: "a.example.com"}, {Name: "gone"}})
	c.join(b, 2, "web")
	free := w.container("bbb").join(b, 3, "db")
	w.container("ccc").join(b, 4, "other")
	w.ensure()
	for _, name := range []string{"example.com.", "other.", "other.dns.podman.", "web.", "a.example.com.evil.", "xexample.com.", "3.1.89.10.in-addr.arpa.", `x\.example.com.`, "."} {
		c.sentBack(name, mdns.TypeA, mdns.RcodeRefused)
		c.sentBack(name, mdns.TypeTXT, mdns.RcodeRefused)
	}
	c.sees("localhost.", mdns.TypeA, "127.0.0.1")
	c.reaches()
	c.sees("DB.dns.podman.", mdns.TypeA, "10.89.1.3")
	c.reaches("10.89.1.3")
	c.sees("db.", mdns.TypeAAAA, "fd00:1::3")
	c.sentBack("gone.", mdns.TypeA, mdns.RcodeSuccess)
	c.sees("A.example.com.", mdns.TypeA, "198.51.100.1", "198.51.100.2")
	c.sees("a.example.com.", mdns.TypeAAAA, "2001:db8::1")
	reachable := []string{"10.89.1.3", "198.51.100.1", "198.51.100.2", "2001:db8::1", "fd00:1::3"}
	c.reaches(reachable...)
	if _, left := c.reachable(); left < 50*time.Second || left > 70*time.Second {
		t.Errorf("they may be reached for %s more", left)
	}
	// What somebody outside says of addresses in here lets nobody reach them.
	c.ask("evil.example.com.", mdns.TypeA)
	c.ask("evil.example.com.", mdns.TypeAAAA)
	c.reaches(reachable...)
	// Over TCP and again is the same.
	c.ask("a.example.com.", mdns.TypeA, question{proto: "tcp"})
	c.reaches(reachable...)
	// Others ask what they like.
	free.sees("example.com.", mdns.TypeA, "198.51.100.3")
}

// An answer over TCP may have some thousands of addresses, and one of them twice.
func TestAllAddressesOfAListedNameMayBeReached(t *testing.T) {
	const many = 1000
	serveOutside(t, "127.0.0.1", func(w mdns.ResponseWriter, r *mdns.Msg) {
		m := new(mdns.Msg).SetReply(r)
		header := mdns.RR_Header{Name: r.Question[0].Name, Class: mdns.ClassINET, Rrtype: mdns.TypeA, Ttl: 5}
		for i := range many + 1 {
			m.Answer = append(m.Answer, &mdns.A{Hdr: header, A: net.IPv4(198, 18, byte(i%many>>8), byte(i%many))})
		}
		if w.LocalAddr().Network() == "udp" {
			m.Truncate(512)
		}
		_ = w.WriteMsg(m)
	})
	resolvConf(t, "nameserver 127.0.0.1\n")
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	c := w.container("aaa")
	c.holds(b, egress.List{{Name: "big.example.com"}})
	c.join(b, 2, "web")
	w.ensure()
	for range 2 {
		if reply := c.ask("big.example.com.", mdns.TypeA, question{proto: "tcp"}); len(reply.Answer) != many+1 {
			t.Errorf("%d addresses, of %d", len(reply.Answer), many+1)
		}
	}
	if addrs, _ := c.reachable(); len(addrs) != many {
		t.Errorf("%d of %d may be reached", len(addrs), many)
	}
}

func TestSeveralEgressListsAllowWhatAllAllow(t *testing.T) {
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	c := w.container("aaa")
	c.holds(b, egress.List{{Name: "db"}, {Name: "other"}}, egress.List{{Name: "db"}, {Name: "third"}})
	c.join(b, 2, "web")
	w.container("bbb").join(b, 3, "db", "other", "third")
	w.ensure()
	c.sees("db.", mdns.TypeA, "10.89.1.3")
	c.sentBack("other.", mdns.TypeA, mdns.RcodeRefused)
	c.sentBack("third.", mdns.TypeA, mdns.RcodeRefused)
	c.reaches("10.89.1.3")
}

func TestNobodyIsToldWhatHeCannotReach(t *testing.T) {
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	c := w.container("aaa")
	c.lists = [][]string{{"db"}} // and no rules
	c.join(b, 2, "web")
	must(t, dns.Write(w.dir, "one", "bbb", dns.Entry{Names: []string{"db"}, Addresses: []netip.Addr{netip.MustParseAddr("10.89.1.3")}, Process: c.process}))
	w.ensure()
	c.sentBack("db.", mdns.TypeA, mdns.RcodeServerFailure)
	w.said("cannot let container aaa reach db")
}
