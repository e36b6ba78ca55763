package server_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"github.com/mosscontainers/moss/network/dns"
	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/pkg/sys"
)

func TestOneServerServesAll(t *testing.T) {
	w := newWorld(t)
	c := w.container("aaa").join(w.network("one", "10.89.1.1/24", "fd00:1::1/64"), 2, "web")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := dns.Ensure(t.Context(), w.options()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	first := w.pid()
	c.sees("web.", mdns.TypeA, "10.89.1.2")
	// A network more, while it runs.
	d := w.container("bbb").join(w.network("two", "10.89.2.1/24", "fd00:2::1/64"), 2, "db")
	w.ensure()
	d.sees("db.", mdns.TypeA, "10.89.2.2")
	if w.pid() != first {
		t.Error("a second server was started")
	}
	// Networks that go are not listened on any more.
	must(t, dns.RemoveNetwork(w.dir, "two"))
	w.ensure()
	if _, err := d.try("db.", mdns.TypeA, question{proto: "tcp"}); err == nil {
		t.Error("a removed network is answered")
	}
}

func TestAKilledServerIsReplaced(t *testing.T) {
	w := newWorld(t)
	c := w.container("aaa").join(w.network("one", "10.89.1.1/24", "fd00:1::1/64"), 2, "web")
	w.ensure()
	for range 3 {
		old := w.pid()
		must(t, syscall.Kill(old, syscall.SIGKILL))
		w.ensure()
		if w.pid() == old {
			t.Fatal("the record still names the old one")
		}
		c.sees("web.", mdns.TypeA, "10.89.1.2")
	}
}

func TestAServerThatHangsIsReplaced(t *testing.T) {
	w := newWorld(t)
	c := w.container("aaa").join(w.network("one", "10.89.1.1/24", "fd00:1::1/64"), 2, "web")
	w.ensure()
	old := w.pid()
	must(t, syscall.Kill(old, syscall.SIGSTOP))
	w.ensure()
	if w.pid() == old {
		t.Fatal("the record still names the old one")
	}
	c.sees("web.", mdns.TypeA, "10.89.1.2")
}

func TestAServerOfAnotherNamespaceIsReplaced(t *testing.T) {
	w := newWorld(t)
	w.container("aaa").join(w.network("one", "10.89.1.1/24", "fd00:1::1/64"), 2, "web")
	w.ensure()
	old := w.pid()
	w.netns.Close()
	must(t, sys.OnThread(func() (err error) {
		w.netns, err = sys.UnshareNet()
		return err
	}))
	must(t, dns.RemoveNetwork(w.dir, "one"))
	c := w.container("bbb").join(w.network("one", "10.89.1.1/24", "fd00:1::1/64"), 2, "db")
	w.ensure()
	if w.pid() == old {
		t.Fatal("the record still names the old one")
	}
	c.sees("db.", mdns.TypeA, "10.89.1.2")
}

func TestTheServerStaysForAContainerOnly(t *testing.T) {
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	a, c := w.container("aaa").join(b, 2, "a"), w.container("bbb").join(b, 3, "b")
	w.ensure()
	pid := w.pid()
	gone := func() bool { _, lives := helper.DNS.Pid(w.dir); return !lives }
	a.die()
	time.Sleep(7 * time.Second) // longer than it lingers
	if gone() {
		t.Fatal("it left a container alone")
	}
	c.sees("b.", mdns.TypeA, "10.89.1.3")
	must(t, dns.Remove(w.dir, "one", "bbb"))
	eventually(t, "the server to end", gone)
	if _, err := os.Stat(filepath.Join(w.dir, helper.DNS.Socket())); err == nil {
		t.Error("its socket is left")
	}
	d := w.container("ddd").join(b, 4, "d")
	w.ensure()
	d.sees("d.", mdns.TypeA, "10.89.1.4")
	if w.pid() == pid {
		t.Error("it did not end")
	}
	d.die() // killed: no file changes
	eventually(t, "the server to end", gone)
}

// Whoever connects a container while the server ends finds either the old one or a new one.
func TestTheServerEndsForNobody(t *testing.T) {
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	c := w.container("aaa").join(b, 2, "a")
	w.ensure()
	must(t, dns.Remove(w.dir, "one", "aaa"))
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if _, lives := helper.DNS.Pid(w.dir); !lives {
			break
		}
		if _, err := os.Stat(filepath.Join(w.dir, helper.DNS.Socket())); err != nil {
			break
		}
	}
	must(t, dns.Write(w.dir, "one", "aaa", dns.Entry{Names: []string{"a"}, Addresses: b.network.Gateways[:1], Process: c.process}))
	e := dns.Entry{Names: []string{"me"}, Process: c.process}
	e.Addresses = append(e.Addresses, b.prefixes[0].Addr().Next())
	must(t, dns.Write(w.dir, "one", "bbb", e))
	w.ensure()
	c.sees("a.", mdns.TypeA, "10.89.1.1")
}

func TestTheServerHasNoMorePowerThanItNeeds(t *testing.T) {
	inherited, end, err := os.Pipe()
	must(t, err)
	defer inherited.Close()
	defer end.Close()
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, end.Fd(), syscall.F_SETFD, 0); errno != 0 {
		t.Fatal(errno)
	}
	w := newWorld(t)
	w.container("aaa").join(w.network("one", "10.89.1.1/24", "fd00:1::1/64"), 2, "web")
	w.ensure()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", w.pid()))
	must(t, err)
	for _, task := range tasks {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", w.pid(), task.Name()))
		must(t, err)
		for _, line := range []string{"CapPrm:\t0000000000001400", "CapEff:\t0000000000001400", "NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !strings.Contains(string(status), line+"\n") {
				t.Errorf("thread %s has not %q", task.Name(), line)
			}
		}
	}
	mine, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", end.Fd()))
	must(t, err)
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.pid()))
	must(t, err)
	for _, fd := range fds {
		if target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", w.pid(), fd.Name())); err == nil && target == mine {
			t.Error("it holds a pipe of whoever started it")
		}
	}
}

func TestAGatewayThatIsTakenIsNamed(t *testing.T) {
	w := newWorld(t)
	b := w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	w.container("aaa").join(b, 2, "web")
	var other net.PacketConn
	must(t, sys.InNetNS(w.netns, func() (err error) {
		other, err = net.ListenPacket("udp", "10.89.1.1:53")
		return err
	}))
	defer other.Close()
	err := dns.Ensure(t.Context(), w.options())
	if err == nil || !strings.Contains(err.Error(), "10.89.1.1:53") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	must(t, os.Remove(filepath.Join(w.dir, "dns.log"))) // it says so there too
}

func TestEnsureEndsWithItsCaller(t *testing.T) {
	w := newWorld(t)
	w.network("one", "10.89.1.1/24", "fd00:1::1/64")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := dns.Ensure(ctx, w.options()); err == nil {
		t.Error("a cancelled start went on")
	}
}

func TestStrangersDoNoHarm(t *testing.T) {
	w := newWorld(t)
	c := w.container("aaa").join(w.network("one", "10.89.1.1/24", "fd00:1::1/64"), 2, "web")
	w.ensure()
	var datagrams net.Conn
	var streams []net.Conn
	must(t, sys.InNetNS(c.netns, func() (err error) {
		if datagrams, err = net.Dial("udp", "10.89.1.1:53"); err != nil {
			return err
		}
		for range 100 { // they say nothing
			conn, err := net.Dial("tcp", "10.89.1.1:53")
			if err != nil {
				return err
			}
			streams = append(streams, conn)
		}
		return nil
	}))
	for _, packet := range strangePackets() {
		_, _ = datagrams.Write(packet)
		c.sees("web.", mdns.TypeA, "10.89.1.2")
	}
	for _, conn := range append(streams, datagrams) {
		conn.Close()
	}
	eventually(t, "connections to be taken again", func() bool {
		reply, err := c.try("web.", mdns.TypeA, question{proto: "tcp"})
		return err == nil && len(reply.Answer) == 1
	})
}

// send asks and does not wait.
func (c *container) send(name string) {
	var conn net.Conn
	err := sys.InNetNS(c.netns, func() (err error) {
		conn, err = net.Dial("udp", net.JoinHostPort(c.gateway.String(), "53"))
		return err
	})
	if err != nil {
		c.t.Error(err)
		return
	}
	c.t.Cleanup(func() { conn.Close() })
	data, _ := new(mdns.Msg).SetQuestion(name, mdns.TypeA).Pack()
	_, _ = conn.Write(data)
}

// strangePackets are no proper queries.
func strangePackets() (packets [][]byte) {
	add := func(change func(*mdns.Msg)) {
		m := new(mdns.Msg).SetQuestion("web.", mdns.TypeA)
		change(m)
		data, _ := m.Pack()
		packets = append(packets, data)
	}
	add(func(m *mdns.Msg) { m.Response = true })
	add(func(m *mdns.Msg) { m.Opcode = mdns.OpcodeUpdate })
	add(func(m *mdns.Msg) { m.Question = nil })
	add(func(m *mdns.Msg) { m.Question = append(m.Question, m.Question[0]) })
	add(func(m *mdns.Msg) { m.Question[0].Qtype = mdns.TypeAXFR })
	add(func(m *mdns.Msg) { m.Question[0].Qclass = mdns.ClassCHAOS })
	add(func(m *mdns.Msg) { m.SetEdns0(0, true).IsEdns0().SetVersion(9) })
	add(func(m *mdns.Msg) { m.SetEdns0(4096, true); m.SetEdns0(1, false) })
	whole, _ := new(mdns.Msg).SetQuestion("a.very.long.name.dns.podman.", mdns.TypeA).Pack()
	for n := range whole {
		packets = append(packets, whole[:n])
	}
	loop := append(whole[:12:12], 0xC0, 12, 0, 1, 0, 1) // a name that is where it leads to
	return append(packets, loop, make([]byte, 60000))
}
