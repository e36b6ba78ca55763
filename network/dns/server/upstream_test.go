package server_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	mdns "github.com/miekg/dns"

	"github.com/mosscontainers/moss/network/dns"
)

// outside is a DNS server of the host's world.
type outside struct {
	addr  netip.Addr
	asked atomic.Int64
}

// serveOutside serves at an address of the host's loopback. Each name there is the server's own address; big. has a text of
// forty lines, cut in datagrams; missing. is no name, and broken. makes the server fail.
func serveOutside(t *testing.T, addr string, handle ...mdns.HandlerFunc) *outside {
	t.Helper()
	o := &outside{addr: netip.MustParseAddr(addr)}
	handler := mdns.HandlerFunc(o.answer)
	if len(handle) > 0 {
		handler = handle[0]
	}
	for _, proto := range []string{"udp", "tcp"} {
		started := make(chan struct{})
		s := &mdns.Server{Addr: netip.AddrPortFrom(o.addr, 53).String(), Net: proto, Handler: handler, NotifyStartedFunc: func() { close(started) }}
		failed := make(chan error, 1)
		go func() { failed <- s.ListenAndServe() }()
		select {
		case <-started:
		case err := <-failed:
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = s.Shutdown() // which does not wait for the socket to be closed
			<-failed
		})
	}
	return o
}

func (o *outside) answer(w mdns.ResponseWriter, r *mdns.Msg) {
	o.asked.Add(1)
	m := new(mdns.Msg).SetReply(r)
	m.RecursionAvailable = true
	header := mdns.RR_Header{Name: r.Question[0].Name, Class: mdns.ClassINET, Ttl: 300}
	name := strings.ToLower(header.Name)
	switch {
	case name == "missing.":
		m.Rcode = mdns.RcodeNameError
	case name == "broken.":
		m.Rcode = mdns.RcodeServerFailure
	case name == "big.":
		header.Rrtype = mdns.TypeTXT
		for range 40 {
			m.Answer = append(m.Answer, &mdns.TXT{Hdr: header, Txt: []string{strings.Repeat("x", 200)}})
		}
	case r.Question[0].Qtype == mdns.TypeA:
		header.Rrtype = mdns.TypeA
		m.Answer = append(m.Answer, &mdns.A{Hdr: header, A: o.addr.AsSlice()})
	}
	if opt := r.IsEdns0(); opt != nil {
		m.SetEdns0(1232, opt.Do())
	}
	if w.LocalAddr().Network() == "udp" {
		m.Truncate(512)
	}
	_ = w.WriteMsg(m)
}

// resolvConf replaces the host's resolv.conf in one step.
func resolvConf(t *testing.T, text string) {
	t.Helper()
	must(t, os.WriteFile("/etc/resolv.conf.new", []byte(text), 0o644))
	must(t, os.Rename("/etc/resolv.conf.new", "/etc/resolv.conf"))
	t.Cleanup(func() { os.Remove("/etc/resolv.conf") })
}

// asker is a container on a network that leads out.
func asker(t *testing.T, change ...func(*dns.Network)) *container {
	w := newWorld(t)
	c := w.container("aaa").join(w.network("one", "10.89.1.1/24", "fd00:1::1/64", change...), 2, "web")
	w.ensure()
	return c
}

func TestOtherNamesAreTheHosts(t *testing.T) {
	serveOutside(t, "127.0.0.1")
	resolvConf(t, "search example.org\nnameserver 127.0.0.1\n")
	c := asker(t)
	c.sees("Example.ORG.", mdns.TypeA, "127.0.0.1")
	c.sees("example.org.", mdns.TypeAAAA)
	c.sentBack("missing.", mdns.TypeA, mdns.RcodeNameError)
	c.sentBack("broken.", mdns.TypeA, mdns.RcodeServerFailure)
	c.sees("8.8.8.8.in-addr.arpa.", mdns.TypePTR)
	c.sees("web.", mdns.TypeA, "10.89.1.2")
	reply := c.ask("Example.ORG.", mdns.TypeA)
	if reply.Authoritative || !reply.RecursionAvailable || reply.Question[0].Name != "Example.ORG." || reply.Answer[0].Header().Ttl != 300 {
		t.Errorf("got %s", reply)
	}
	if c.ask("example.org.", mdns.TypeA).IsEdns0() != nil || c.ask("example.org.", mdns.TypeA, question{edns: 1232}).IsEdns0() == nil {
		t.Error("EDNS(0) is not answered in kind")
	}
}

func TestLongAnswersOfOthersComeWhole(t *testing.T) {
	serveOutside(t, "127.0.0.1")
	resolvConf(t, "nameserver 127.0.0.1\n")
	c := asker(t)
	if reply := c.ask("big.", mdns.TypeTXT); !reply.Truncated {
		t.Errorf("512 bytes hold %d lines", len(reply.Answer))
	}
	if reply := c.ask("big.", mdns.TypeTXT, question{proto: "tcp"}); reply.Truncated || len(reply.Answer) != 40 {
		t.Errorf("over TCP there are %d lines of 40", len(reply.Answer))
	}
	// 8 kB do not fit here, and a part of it is more than 512 bytes: the server asked by TCP.
	if reply := c.ask("big.", mdns.TypeTXT, question{edns: 4096}); !reply.Truncated || len(reply.Answer) < 10 {
		t.Errorf("4096 bytes hold %d lines", len(reply.Answer))
	}
}

func TestTheHostsResolversMayChange(t *testing.T) {
	serveOutside(t, "127.0.0.1")
	serveOutside(t, "127.0.0.2")
	serveOutside(t, "127.0.0.3")
	c := asker(t)
	for range 20 {
		resolvConf(t, "nameserver 127.0.0.1\n")
		c.sees("example.org.", mdns.TypeA, "127.0.0.1")
		resolvConf(t, "nameserver 127.0.0.2\n")
		c.sees("example.org.", mdns.TypeA, "127.0.0.2")
		must(t, os.WriteFile("/etc/resolv.conf", []byte("nameserver 127.0.0.3\n"), 0o644))
		c.sees("example.org.", mdns.TypeA, "127.0.0.3")
	}
	dir := t.TempDir()
	for i, addr := range []string{"127.0.0.1", "127.0.0.2"} {
		must(t, os.WriteFile(filepath.Join(dir, addr), []byte("nameserver "+addr+"\n"), 0o644))
		link := filepath.Join(dir, "current")
		must(t, os.Symlink(addr, link+".new"))
		must(t, os.Rename(link+".new", link))
		if i == 0 {
			must(t, os.Remove("/etc/resolv.conf"))
			must(t, os.Symlink(link, "/etc/resolv.conf"))
		}
		c.sees("example.org.", mdns.TypeA, addr)
	}
	must(t, os.Remove("/etc/resolv.conf"))
	c.sees("example.org.", mdns.TypeA, "127.0.0.1") // as resolv.conf(5) has it where there is none
}

func TestTheNextServerIsAskedWhenOneIsSilent(t *testing.T) {
	silent := serveOutside(t, "127.0.0.1", func(mdns.ResponseWriter, *mdns.Msg) {})
	good := serveOutside(t, "127.0.0.2")
	resolvConf(t, "nameserver 127.0.0.1\nnameserver 127.0.0.9\nnameserver 127.0.0.2\noptions timeout:1 attempts:1\n")
	c := asker(t)
	for range 3 {
		c.sees("example.org.", mdns.TypeA, good.addr.String())
	}
	resolvConf(t, "nameserver "+silent.addr.String()+"\noptions timeout:1 attempts:2\n")
	c.sentBack("example.org.", mdns.TypeA, mdns.RcodeServerFailure)
}

func TestServersThatFailAreNotTheLast(t *testing.T) {
	serveOutside(t, "127.0.0.1", func(w mdns.ResponseWriter, r *mdns.Msg) {
		_ = w.WriteMsg(new(mdns.Msg).SetRcode(r, mdns.RcodeRefused))
	})
	good := serveOutside(t, "127.0.0.2")
	resolvConf(t, "nameserver 127.0.0.1\nnameserver 127.0.0.2\n")
	asker(t).sees("example.org.", mdns.TypeA, good.addr.String())
}

func TestServersTakeTurnsWhereTheHostHasThemSo(t *testing.T) {
	one, two := serveOutside(t, "127.0.0.1"), serveOutside(t, "127.0.0.2")
	resolvConf(t, "nameserver 127.0.0.1\nnameserver 127.0.0.2\noptions rotate\n")
	c := asker(t)
	for range 10 {
		c.ask("example.org.", mdns.TypeA)
	}
	if one.asked.Load() != 5 || two.asked.Load() != 5 {
		t.Errorf("asked %d and %d times", one.asked.Load(), two.asked.Load())
	}
}

func TestInternalNetworksAskNobody(t *testing.T) {
	o := serveOutside(t, "127.0.0.1")
	resolvConf(t, "nameserver 127.0.0.1\n")
	internal := func(n *dns.Network) { n.Internal = true }
	w := newWorld(t)
	in, out := w.network("in", "10.89.1.1/24", "fd00:1::1/64", internal), w.network("out", "10.89.2.1/24", "fd00:2::1/64")
	db := w.container("aaa").join(in, 2, "db")
	web := w.container("bbb").join(in, 3, "web").join(out, 3, "web")
	w.ensure()
	db.sees("web.", mdns.TypeA, "10.89.1.3")
	db.sentBack("example.org.", mdns.TypeA, mdns.RcodeNameError)
	if o.asked.Load() != 0 {
		t.Error("a query of an internal network went out")
	}
	web.sees("db.", mdns.TypeA, "10.89.1.2")
	web.sees("example.org.", mdns.TypeA, "127.0.0.1")
}

func TestANetworkMayHaveServersOfItsOwn(t *testing.T) {
	host := serveOutside(t, "127.0.0.1")
	serveOutside(t, "127.0.0.2")
	resolvConf(t, "nameserver 127.0.0.1\n")
	c := asker(t, func(n *dns.Network) { n.Servers = []netip.Addr{netip.MustParseAddr("127.0.0.2")} })
	c.sees("example.org.", mdns.TypeA, "127.0.0.2")
	if host.asked.Load() != 0 {
		t.Error("the host's server was asked")
	}
}

func TestAContainerMayHaveServersOfItsOwn(t *testing.T) {
	host, networks := serveOutside(t, "127.0.0.1"), serveOutside(t, "127.0.0.2")
	serveOutside(t, "127.0.0.3")
	resolvConf(t, "nameserver 127.0.0.1\n")
	w := newWorld(t)
	one := w.network("one", "10.89.1.1/24", "fd00:1::1/64", func(n *dns.Network) { n.Servers = []netip.Addr{netip.MustParseAddr("127.0.0.2")} })
	choosy := w.container("aaa")
	choosy.servers = []netip.Addr{netip.MustParseAddr("127.0.0.3")}
	choosy.join(one, 2, "choosy")
	other := w.container("bbb").join(one, 3, "other")
	w.ensure()
	choosy.sees("example.org.", mdns.TypeA, "127.0.0.3")
	choosy.sees("other.", mdns.TypeA, "10.89.1.3")
	if host.asked.Load()+networks.asked.Load() != 0 {
		t.Error("another server was asked")
	}
	other.sees("example.org.", mdns.TypeA, "127.0.0.2")
}

func TestAServerDoesNotAskItself(t *testing.T) {
	resolvConf(t, "nameserver 10.89.1.1\nnameserver fd00:1::1\n")
	asker(t).sentBack("example.org.", mdns.TypeA, mdns.RcodeServerFailure)
}

// A host that asks a container which asks us: each question comes back as another, until there are too many.
func TestALoopThroughOthersEnds(t *testing.T) {
	resolvConf(t, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
	var c *container
	var through atomic.Int64
	ready := make(chan struct{})
	serveOutside(t, "127.0.0.1", func(w mdns.ResponseWriter, r *mdns.Msg) {
		<-ready
		through.Add(1)
		if reply, err := c.try(r.Question[0].Name, r.Question[0].Qtype); err == nil {
			reply.Id = r.Id
			_ = w.WriteMsg(reply)
		}
	})
	c = asker(t)
	close(ready)
	c.sentBack("example.org.", mdns.TypeA, mdns.RcodeServerFailure)
	c.sees("web.", mdns.TypeA, "10.89.1.2")
	if n := through.Load(); n > 100 {
		t.Errorf("one question went round %d times", n)
	}
}

func TestOneAskerDoesNotKeepTheOthersFromBeingServed(t *testing.T) {
	resolvConf(t, "nameserver 127.0.0.1\n")
	held := make(chan struct{})
	o := &outside{addr: netip.MustParseAddr("127.0.0.1")}
	serveOutside(t, "127.0.0.1", func(w mdns.ResponseWriter, r *mdns.Msg) {
		if strings.HasPrefix(r.Question[0].Name, "slow") {
			<-held
		}
		o.answer(w, r)
	})
	t.Cleanup(sync.OnceFunc(func() { close(held) }))
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	greedy, modest := w.container("aaa").join(b, 2, "greedy"), w.container("bbb").join(b, 3, "modest")
	w.ensure()
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() { greedy.send("slow.") })
	}
	wg.Wait()
	// The kernel has room for so many datagrams that nobody has read yet: one that is lost among them is sent again, as resolvers do.
	eventually(t, "the modest one to be answered", func() bool { _, err := modest.try("example.org.", mdns.TypeA); return err == nil })
	modest.sees("example.org.", mdns.TypeA, "127.0.0.1")
	greedy.sees("modest.", mdns.TypeA, "10.89.1.3") // what is known here needs nobody
}

// Whoever asks for so much at once as may wait for answers may ask again for what was cut of them.
func TestManyLongAnswersAtOnceComeWhole(t *testing.T) {
	const many = 64
	var waiting atomic.Int64
	together := make(chan struct{})
	goOn := sync.OnceFunc(func() { close(together) })
	o := &outside{addr: netip.MustParseAddr("127.0.0.1")}
	serveOutside(t, "127.0.0.1", func(w mdns.ResponseWriter, r *mdns.Msg) {
		if w.LocalAddr().Network() == "tcp" {
			if waiting.Add(1) == many {
				goOn()
			}
			<-together
		}
		o.answer(w, r)
	})
	resolvConf(t, "nameserver 127.0.0.1\n")
	c := asker(t)
	var asking sync.WaitGroup
	for range many {
		asking.Go(func() {
			if reply, err := c.try("big.", mdns.TypeTXT, question{proto: "tcp"}); err != nil || len(reply.Answer) != 40 {
				t.Errorf("%v, %v", reply, err)
				goOn() // the others wait in vain
			}
		})
	}
	asking.Wait()
}

func TestStrangeAnswersDoNoHarm(t *testing.T) {
	strange := map[string]func(w mdns.ResponseWriter, r *mdns.Msg){
		"garbage.": func(w mdns.ResponseWriter, r *mdns.Msg) {
			data, _ := new(mdns.Msg).SetReply(r).Pack()
			_, _ = w.Write(append(data[:12:12], slices.Repeat([]byte{0xFF}, 100)...))
		},
		"empty.": func(w mdns.ResponseWriter, _ *mdns.Msg) { _, _ = w.Write([]byte{0}) },
		"other.": func(w mdns.ResponseWriter, r *mdns.Msg) {
			m := new(mdns.Msg).SetReply(r)
			m.Question[0].Name = "another."
			_ = w.WriteMsg(m)
		},
		"forged.": func(w mdns.ResponseWriter, r *mdns.Msg) {
			m := new(mdns.Msg).SetReply(r)
			m.Id++
			_ = w.WriteMsg(m)
		},
		"query.": func(w mdns.ResponseWriter, r *mdns.Msg) { _ = w.WriteMsg(r) },
	}
	good := &outside{addr: netip.MustParseAddr("127.0.0.1")}
	serveOutside(t, "127.0.0.1", func(w mdns.ResponseWriter, r *mdns.Msg) {
		if odd := strange[r.Question[0].Name]; odd != nil {
			odd(w, r)
			return
		}
		good.answer(w, r)
	})
	resolvConf(t, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
	c := asker(t)
	for name := range strange {
		c.sentBack(name, mdns.TypeA, mdns.RcodeServerFailure)
	}
	c.sees("example.org.", mdns.TypeA, "127.0.0.1")
}
