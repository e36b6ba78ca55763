package server_test

import (
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/dns"
	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/pkg/sys"
)

// world is one user's part of the machine: a network namespace with bridges.
type world struct {
	t     *testing.T
	dir   string
	netns *os.File
	keep  *os.File // the exit pipe's writing end
	// complains says that the server is to say something.
	complains bool
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir()}
	must(t, sys.OnThread(func() (err error) {
		w.netns, err = sys.UnshareNet()
		return err
	}))
	must(t, sys.MakeFIFO(w.exitPipe()))
	var err error
	w.keep, err = os.OpenFile(w.exitPipe(), os.O_RDWR, 0)
	must(t, err)
	t.Cleanup(w.end)
	return w
}

func (w *world) exitPipe() string { return filepath.Join(w.dir, "exit") }

// end ends the server with its exit pipe.
func (w *world) end() {
	w.keep.Close()
	eventually(w.t, "the server to end", func() bool { _, lives := helper.DNS.Pid(w.dir); return !lives })
	if said, _ := os.ReadFile(filepath.Join(w.dir, "dns.log")); len(said) > 0 && !w.complains {
		w.t.Errorf("the server said: %s", said)
	}
	w.netns.Close()
}

// said fails unless the server has said this.
func (w *world) said(text string) {
	w.t.Helper()
	w.complains = true
	if said, _ := os.ReadFile(filepath.Join(w.dir, "dns.log")); !strings.Contains(string(said), text) {
		w.t.Errorf("the server said %q, not %q", said, text)
	}
}

func (w *world) options() dns.Options {
	return dns.Options{
		RunDir: w.dir, NetNS: w.netns, ExitPipe: w.exitPipe(),
		Program: func() ([]byte, error) { return os.ReadFile("/proc/self/exe") },
	}
}

func (w *world) ensure() { w.t.Helper(); must(w.t, dns.Ensure(w.t.Context(), w.options())) }

func (w *world) pid() int {
	w.t.Helper()
	pid, ok := helper.DNS.Pid(w.dir)
	if !ok {
		w.t.Fatal("no server lives")
	}
	return pid
}

// bridge is a network: 10.89.N.0/24 and fd00:N::/64.
type bridge struct {
	*world
	name     string
	prefixes []netip.Prefix
	network  dns.Network
}

// network makes network n, told to the server as change has it.
func (w *world) network(name, v4, v6 string, change ...func(*dns.Network)) *bridge {
	w.t.Helper()
	b := &bridge{world: w, name: name, prefixes: []netip.Prefix{netip.MustParsePrefix(v4), netip.MustParsePrefix(v6)}}
	b.network = dns.Network{Name: name}
	for _, p := range b.prefixes {
		b.network.Gateways = append(b.network.Gateways, p.Addr())
	}
	must(w.t, sys.InNetNS(w.netns, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = name
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
			return err
		}
		return b.configure(name, b.prefixes)
	}))
	for _, c := range change {
		c(&b.network)
	}
	must(w.t, dns.WriteNetwork(w.dir, name, b.network))
	return b
}

func (b *bridge) configure(link string, prefixes []netip.Prefix) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return err
	}
	for _, p := range prefixes {
		const noDAD = 0x02 // IFA_F_NODAD
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
		if p.Addr().Is6() {
			addr.Flags = noDAD
		}
		if err := netlink.AddrAdd(l, addr); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(l)
}

// container is one on some networks.
type container struct {
	*world
	id      string
	netns   *os.File
	gateway netip.Addr // of its first network
	process sys.Process
	stop    io.Closer
	servers []netip.Addr // of its own
	lists   [][]string   // the names of its egress lists
}

// container makes a container with a process.
func (w *world) container(id string) *container {
	w.t.Helper()
	c := &container{world: w, id: id}
	must(w.t, sys.OnThread(func() (err error) {
		c.netns, err = sys.UnshareNet()
		return err
	}))
	cmd := exec.Command("/proc/self/exe", "container")
	var err error
	c.stop, err = cmd.StdinPipe()
	must(w.t, err)
	must(w.t, cmd.Start())
	c.process, err = sys.Identify(cmd.Process.Pid)
	must(w.t, err)
	w.t.Cleanup(func() { c.netns.Close(); c.stop.Close(); _ = cmd.Wait() })
	return c
}

// die ends its process, and nothing else.
func (c *container) die() {
	c.stop.Close()
	eventually(c.t, "a container to end", func() bool { return !c.process.Alive() })
}

// join connects it, as the host-th address, under these names.
func (c *container) join(b *bridge, host byte, names ...string) *container {
	c.t.Helper()
	var prefixes []netip.Prefix
	entry := dns.Entry{Names: names, Process: c.process, Servers: c.servers, Egress: c.lists}
	for _, p := range b.prefixes {
		bytes := p.Addr().AsSlice()
		bytes[len(bytes)-1] = host
		addr, _ := netip.AddrFromSlice(bytes)
		prefixes = append(prefixes, netip.PrefixFrom(addr, p.Bits()))
		entry.Addresses = append(entry.Addresses, addr)
	}
	if !c.gateway.IsValid() {
		c.gateway = b.prefixes[0].Addr()
	}
	must(c.t, sys.InNetNS(b.netns, func() error {
		l, err := netlink.LinkByName(b.name)
		if err != nil {
			return err
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MasterIndex, attrs.Flags = "v"+c.id+b.name, l.Attrs().Index, net.FlagUp
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "to" + b.name, PeerNamespace: netlink.NsFd(int(c.netns.Fd()))})
	}))
	must(c.t, sys.InNetNS(c.netns, func() error { return b.configure("to"+b.name, prefixes) }))
	must(c.t, dns.Write(c.dir, b.name, c.id, entry))
	return c
}

// question is one of a container's.
type question struct {
	server netip.Addr // "" is the container's gateway
	proto  string     // "" is udp
	edns   uint16     // how long an answer may be
}

// ask asks from the container.
func (c *container) ask(name string, kind uint16, qs ...question) *mdns.Msg {
	c.t.Helper()
	reply, err := c.try(name, kind, qs...)
	must(c.t, err)
	return reply
}

func (c *container) try(name string, kind uint16, qs ...question) (reply *mdns.Msg, err error) {
	q := question{server: c.gateway, proto: "udp"}
	for _, more := range qs {
		if more.server.IsValid() {
			q.server = more.server
		}
		if more.proto != "" {
			q.proto = more.proto
		}
		q.edns = more.edns
	}
	var conn net.Conn
	err = sys.InNetNS(c.netns, func() (err error) {
		conn, err = net.DialTimeout(q.proto, netip.AddrPortFrom(q.server, 53).String(), 5*time.Second)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	m := new(mdns.Msg).SetQuestion(name, kind)
	if q.edns > 0 {
		m.SetEdns0(q.edns, false)
	}
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	d := mdns.Conn{Conn: conn, UDPSize: 65535}
	if err := d.WriteMsg(m); err != nil {
		return nil, err
	}
	return d.ReadMsg()
}

// sees fails unless the container gets exactly these addresses or names, in any order. None stands for a name without a record of the kind.
func (c *container) sees(name string, kind uint16, want ...string) {
	c.t.Helper()
	reply := c.ask(name, kind)
	got := values(reply)
	slices.Sort(got)
	slices.Sort(want)
	if reply.Rcode != mdns.RcodeSuccess || !slices.Equal(got, want) {
		c.t.Errorf("%s: %s %s is %s %q, want %q", c.id, name, mdns.TypeToString[kind], mdns.RcodeToString[reply.Rcode], got, want)
	}
}

// sentBack fails unless the answer is this code.
func (c *container) sentBack(name string, kind uint16, rcode int) {
	c.t.Helper()
	if reply := c.ask(name, kind); reply.Rcode != rcode || len(reply.Answer) > 0 {
		c.t.Errorf("%s: %s %s is %s %q, want %s", c.id, name, mdns.TypeToString[kind],
			mdns.RcodeToString[reply.Rcode], values(reply), mdns.RcodeToString[rcode])
	}
}

func values(m *mdns.Msg) (got []string) {
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *mdns.A:
			got = append(got, rr.A.String())
		case *mdns.AAAA:
			got = append(got, rr.AAAA.String())
		case *mdns.PTR:
			got = append(got, rr.Ptr)
		case *mdns.TXT:
			got = append(got, rr.Txt...)
		}
	}
	return got
}
