package server_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	mdns "github.com/miekg/dns"

	"github.com/mosscontainers/moss/network/dns"
)

func TestContainersFindEachOtherByName(t *testing.T) {
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	web := w.container("aaa").join(b, 2, "web", "aaa")
	w.container("bbb").join(b, 3, "db", "Db.Local", "bbb")
	w.ensure()
	for _, name := range []string{"db.", "DB.", "db.dns.podman.", "dB.DNS.podman.", "db.local.", "DB.local.dns.podman.", "bbb."} {
		web.sees(name, mdns.TypeA, "10.89.1.3")
		web.sees(name, mdns.TypeAAAA, "fd00:1::3")
	}
	web.sees("db.", mdns.TypeANY, "10.89.1.3", "fd00:1::3")
	web.sees("db.", mdns.TypeMX) // there is the name, but no such record
	web.sees("dns.podman.", mdns.TypeSOA)
	web.sees("web.", mdns.TypeA, "10.89.1.2")
	web.sentBack("nobody.dns.podman.", mdns.TypeA, mdns.RcodeNameError)
	web.sees("3.1.89.10.in-addr.arpa.", mdns.TypePTR, "db.", "Db.Local.", "bbb.")
	web.sees("3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa.", mdns.TypePTR, "db.", "Db.Local.", "bbb.")
	web.sees("3.1.89.10.in-addr.arpa.", mdns.TypeTXT)
}

func TestSomeNamesAreNobodyElses(t *testing.T) {
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64", func(n *dns.Network) { n.Servers = []netip.Addr{netip.MustParseAddr("192.0.2.1")} })
	c := w.container("aaa").join(b, 2, "web")
	w.container("bbb").join(b, 3, "shop.localhost", "localhost")
	w.ensure()
	for _, name := range []string{"localhost.", "LocalHost.", "a.b.localhost."} {
		c.sees(name, mdns.TypeA, "127.0.0.1")
		c.sees(name, mdns.TypeAAAA, "::1")
		c.sees(name, mdns.TypeMX)
	}
	c.sees("shop.localhost.", mdns.TypeA, "10.89.1.3")
	c.sees("2.0.0.127.in-addr.arpa.", mdns.TypePTR, "localhost.")
	c.sees("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.", mdns.TypePTR, "localhost.")
	for _, name := range []string{"invalid.", "x.INVALID.", "onion.", "a.b.onion."} {
		c.sentBack(name, mdns.TypeA, mdns.RcodeNameError)
	}
}

func TestAnAnswerSaysWhatItIs(t *testing.T) {
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	c := w.container("aaa").join(b, 2, "web")
	w.ensure()
	for _, q := range []question{{}, {proto: "tcp"}, {server: b.prefixes[1].Addr()}, {server: b.prefixes[1].Addr(), proto: "tcp"}} {
		reply := c.ask("Web.", mdns.TypeA, q)
		if !reply.Authoritative || !reply.RecursionAvailable || len(reply.Answer) != 1 || reply.Question[0].Name != "Web." {
			t.Fatalf("%+v: got %s", q, reply)
		}
		if reply.Answer[0].Header().Ttl != 0 {
			t.Error("an address that may be another's in a second is to be remembered")
		}
	}
	if reply := c.ask("web.", mdns.TypeA, question{edns: 4096}); reply.IsEdns0() == nil {
		t.Error("EDNS(0) is not answered in kind")
	}
	if reply := c.ask("web.", mdns.TypeA); reply.IsEdns0() != nil {
		t.Error("EDNS(0) is answered without being asked")
	}
}

func TestNetworksDoNotKnowEachOther(t *testing.T) {
	w := newWorld(t)
	one, two := w.network("one", "10.89.1.1/24", "fd00:1::1/64"), w.network("two", "10.89.2.1/24", "fd00:2::1/64")
	a := w.container("aaa").join(one, 2, "a")
	b := w.container("bbb").join(two, 2, "b")
	both := w.container("ccc").join(one, 3, "c", "both").join(two, 3, "c", "both")
	w.ensure()
	a.sees("both.", mdns.TypeA, "10.89.1.3")
	b.sees("both.", mdns.TypeA, "10.89.2.3")
	both.sees("a.", mdns.TypeA, "10.89.1.2")
	both.sees("b.", mdns.TypeA, "10.89.2.2")
	both.sees("both.", mdns.TypeA, "10.89.1.3", "10.89.2.3")
	a.sentBack("b.dns.podman.", mdns.TypeA, mdns.RcodeNameError)
	b.sentBack("a.dns.podman.", mdns.TypeA, mdns.RcodeNameError)
	must(t, dns.Remove(w.dir, "two", "ccc"))
	both.sentBack("b.dns.podman.", mdns.TypeA, mdns.RcodeNameError)
	both.sees("both.", mdns.TypeA, "10.89.1.3")
	must(t, dns.Remove(w.dir, "two", "ccc")) // twice is no error

	stranger := w.container("ddd").join(one, 9, "stranger")
	must(t, dns.Remove(w.dir, "one", "ddd"))
	stranger.sentBack("a.", mdns.TypeA, mdns.RcodeRefused)
}

func TestContainersShareAName(t *testing.T) {
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	c := w.container("aaa").join(b, 2, "w1", "web")
	w.container("bbb").join(b, 3, "w2", "web")
	w.ensure()
	first := map[string]bool{}
	for range 100 {
		c.sees("web.", mdns.TypeA, "10.89.1.2", "10.89.1.3")
		first[values(c.ask("web.", mdns.TypeA))[0]] = true
	}
	if len(first) != 2 {
		t.Errorf("first is always one of them: %v", first)
	}
}

func TestTheDeadHaveNoName(t *testing.T) {
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	c := w.container("aaa").join(b, 2, "web")
	dead := w.container("bbb").join(b, 3, "db")
	w.ensure()
	c.sees("db.", mdns.TypeA, "10.89.1.3")
	dead.die()
	c.sentBack("db.dns.podman.", mdns.TypeA, mdns.RcodeNameError)
	c.sentBack("3.1.89.10.in-addr.arpa.", mdns.TypePTR, mdns.RcodeServerFailure) // as nobody else knows: there is no upstream
	// Its address and its name are another's now.
	w.container("ccc").join(b, 3, "db").sees("db.", mdns.TypeA, "10.89.1.3")
}

func TestWhatChangesIsKnownAtOnce(t *testing.T) {
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	c := w.container("aaa").join(b, 2, "web")
	w.ensure()
	for i := range byte(50) {
		id := fmt.Sprint("x", i)
		must(t, dns.Write(w.dir, "one", id, dns.Entry{Names: []string{"db"}, Addresses: b.network.Gateways[:1], Process: c.process}))
		c.sees("db.", mdns.TypeA, "10.89.1.1")
		must(t, dns.Remove(w.dir, "one", id))
		c.sentBack("db.dns.podman.", mdns.TypeA, mdns.RcodeNameError)
	}
}

func TestOneDamagedFileHidesNoOther(t *testing.T) {
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	c := w.container("aaa").join(b, 2, "web")
	must(t, os.WriteFile(filepath.Join(dns.Dir(w.dir), "one", "bbb.json"), []byte("{nonsense"), 0o600))
	must(t, os.MkdirAll(filepath.Join(dns.Dir(w.dir), "empty"), 0o700))
	must(t, os.MkdirAll(filepath.Join(dns.Dir(w.dir), "bad"), 0o700))
	must(t, os.WriteFile(filepath.Join(dns.Dir(w.dir), "bad", "network.json"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dns.Dir(w.dir), "file"), nil, 0o600))
	w.ensure()
	c.sees("web.", mdns.TypeA, "10.89.1.2")
}

func TestAnswersThatAreTooLongAreCut(t *testing.T) {
	w := newWorld(t)
	c := w.container("aaa").join(w.network("one", "10.89.1.1/24", "fd00:1::1/64"), 2, "web")
	var all []string
	for i := range byte(100) {
		addr := netip.AddrFrom4([4]byte{10, 89, 1, 100 + i})
		all = append(all, addr.String())
		e := dns.Entry{Names: []string{"many"}, Addresses: []netip.Addr{addr}, Process: c.process}
		must(t, dns.Write(w.dir, "one", fmt.Sprint("x", i), e))
	}
	w.ensure()
	short := c.ask("many.", mdns.TypeA)
	short.Compress = true
	if n := len(short.Answer); !short.Truncated || n == 0 || n >= 100 || short.Len() > 512 {
		t.Errorf("in 512 bytes: %d of 100 addresses, truncated %v", n, short.Truncated)
	}
	for _, q := range []question{{proto: "tcp"}, {edns: 4096}} {
		if reply := c.ask("many.", mdns.TypeA, q); reply.Truncated || len(reply.Answer) != len(all) {
			t.Errorf("%+v: %d of 100 addresses, truncated %v", q, len(reply.Answer), reply.Truncated)
		}
	}
}

func TestTheHostHasAName(t *testing.T) {
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64", func(n *dns.Network) { n.Host = netip.AddrFrom4([4]byte{192, 0, 2, 7}) })
	c := w.container("aaa").join(b, 2, "web")
	w.ensure()
	c.sees("host.containers.internal.", mdns.TypeA, "192.0.2.7")
	c.sees("host.docker.internal.", mdns.TypeAAAA)
}
