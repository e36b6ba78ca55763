package server

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"github.com/mosscontainers/moss/network/dns"
	"github.com/mosscontainers/moss/pkg/sys"
)

// FuzzQuery gives the server any packet from a container of an internal network, so that nothing is forwarded.
func FuzzQuery(f *testing.F) {
	run := f.TempDir()
	process, err := sys.Identify(os.Getpid())
	if err != nil {
		f.Fatal(err)
	}
	asker := netip.MustParseAddr("10.89.1.2")
	if err := dns.WriteNetwork(run, "one", dns.Network{Name: "one", Internal: true}); err != nil {
		f.Fatal(err)
	}
	if err := dns.Write(run, "one", "aaa", dns.Entry{Names: []string{"web"}, Addresses: []netip.Addr{asker}, Process: process}); err != nil {
		f.Fatal(err)
	}
	r := &resolver{zones: &zones{dir: dns.Dir(run), nets: map[string]*zone{}}, upstream: &upstream{path: filepath.Join(run, "none")}}
	for _, name := range []string{"web.", "WEB.dns.podman.", "2.1.89.10.in-addr.arpa.", "1.0.ip6.arpa.", `\000\..`} {
		m := new(mdns.Msg).SetQuestion(name, mdns.TypeA).SetEdns0(1232, true)
		data, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		q := parse(asker, packet)
		reply, rest := r.resolve(q)
		if rest != nil {
			t.Fatal("a query of an internal network is to be forwarded")
		}
		for _, stream := range []bool{false, true} {
			answer := q.pack(reply, stream)
			if q.msg != nil && len(answer) == 0 {
				t.Error("a query gets no answer")
			}
			if len(answer) > maxDatagram {
				t.Errorf("an answer of %d bytes", len(answer))
			}
		}
	})
}

func FuzzResolvConf(f *testing.F) {
	f.Add("nameserver 127.0.0.1\nnameserver fe80::1%eth0\noptions timeout:3 attempts:9 rotate\nsearch a b\n")
	f.Add("options timeout:88888888888888 attempts:-1\n")
	f.Fuzz(func(t *testing.T, text string) {
		h := parseResolvConf(text)
		if len(h.servers) > maxServers || h.timeout <= 0 || h.timeout > maxTimeout*time.Second || h.attempts < 1 || h.attempts > maxAttempts {
			t.Errorf("%q is read as %+v", text, h)
		}
	})
}
