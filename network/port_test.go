package network_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/network/port"
	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

func (u *user) published(id string) *network.Attachment {
	r := u.request(id)
	r.Published = true
	return u.attachWith(r)
}

// forwarderOf is the user's forwarder.
func (u *user) forwarderOf() published.Forwarder {
	return published.Forwarder{RunDir: u.dir, Program: func() (*os.File, error) { return os.Open(program("moss-monitor")) }}
}

// forwarder has it live until the test ends.
func (u *user) forwarder() {
	u.t.Helper()
	held, err := u.forwarderOf().Hold(u.t.Context())
	must(u.t, err)
	u.t.Cleanup(func() {
		held.Close()
		u.endForwarder()
	})
}

// endForwarder has it not outlive its directory, which it would for as long as it lingers.
func (u *user) endForwarder() {
	if pid, ok := helper.Ports.Pid(u.dir); ok {
		must(u.t, syscall.Kill(pid, syscall.SIGKILL))
	}
}

func (u *user) forwarderPid() int {
	u.t.Helper()
	pid, ok := helper.Ports.Pid(u.dir)
	if !ok {
		u.t.Fatal("no forwarder lives")
	}
	return pid
}

// serves publishes a server's port, and says where it is reached.
func (u *user) serves() (at string) {
	u.t.Helper()
	a := u.published("aaaa")
	listen(u.t, a.NetNS, "0.0.0.0:80")
	p, err := u.publish(a, spec.PortMapping{ContainerPort: 80, Protocol: "tcp"})
	must(u.t, err)
	return fmt.Sprintf("127.0.0.1:%d", p.Mappings[0].HostPort)
}

func (u *user) publish(a *network.Attachment, mappings ...spec.PortMapping) (*port.Publication, error) {
	u.t.Helper()
	u.forwarder()
	at := a.Endpoints[0]
	p, err := port.Publish(u.t.Context(), port.Options{NetNS: a.NetNS, Ports: published.Ports{
		Target: published.Target{Address: at.Address.Addr(), Gateway: at.Gateway, Address6: at.Address6.Addr(), Gateway6: at.Gateway6},
		RunDir: u.dir, Mappings: mappings,
	}})
	if err == nil {
		u.t.Cleanup(func() {
			must(u.t, p.Close())
			if said, err := os.ReadFile(helper.Ports.Log(u.dir)); len(said) > 0 || err != nil {
				u.t.Errorf("the forwarder said: %s %v", said, err)
			}
		})
	}
	return p, err
}

func TestAServerSeesTheClientsAddress(t *testing.T) {
	u := newUser(t)
	a := u.published("aaaa")
	_, clients := listen(t, a.NetNS, "0.0.0.0:80")
	s, err := u.publish(a, spec.PortMapping{ContainerPort: 80, Protocol: "tcp"})
	must(t, err)
	at := func(ip string) string { return fmt.Sprintf("%s:%d", ip, s.Mappings[0].HostPort) }
	for _, c := range []struct{ to, sees string }{
		{hostAddress(t), hostAddress(t)},
		{"127.0.0.1", a.Endpoints[0].Gateway.String()},
	} {
		conn, err := net.Dial("tcp4", at(c.to))
		expectHello(t, conn, err)
		if got := (<-clients).String(); got != c.sees {
			t.Errorf("through %s the server sees %s, not %s", c.to, got, c.sees)
		}
	}
	conn, err := net.Dial("tcp6", fmt.Sprintf("[::1]:%d", s.Mappings[0].HostPort))
	expectHello(t, conn, err)
}

// A client that comes while the server begins to listen is refused as itself at one moment, and would not be at the next.
func TestAServerThatBeginsSeesTheClientsAddress(t *testing.T) {
	u := newUser(t)
	a := u.publishedOn(true, false)
	s, err := u.publish(a, spec.PortMapping{ContainerPort: 80, Protocol: "tcp"})
	must(t, err)
	at := net.JoinHostPort(hostAddress(t), fmt.Sprint(s.Mappings[0].HostPort))
	for i := range 300 {
		client, err := net.Dial("tcp4", at)
		must(t, err)
		_, err = client.Write([]byte("hello"))
		must(t, err)
		time.Sleep(time.Duration(i*7) * time.Microsecond)
		if got := speaker(t, a); got != hostAddress(t) {
			t.Errorf("the server sees %s", got)
		}
		client.Close()
	}
}

// speaker begins a server for one client that says something, and tells its address.
func speaker(t *testing.T, a *network.Attachment) (from string) {
	t.Helper()
	var ln net.Listener
	must(t, sys.InNetNS(a.NetNS, func() (err error) {
		ln, err = net.Listen("tcp", "[::]:80")
		return err
	}))
	defer ln.Close()
	for from == "" {
		conn, err := ln.Accept()
		must(t, err)
		if n, _ := conn.Read(make([]byte, 5)); n > 0 {
			from = conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap().String()
		}
		conn.Close()
	}
	return from
}

// A client on another machine: the server's "host" is a network namespace with a cable to the client's.
func TestAServerSeesAClientFromAnotherMachine(t *testing.T) {
	u := newUser(t)
	a := u.published("aaaa")
	_, clients := listen(t, a.NetNS, "0.0.0.0:80")
	far := u.publishAfar(a)
	conn, err := dial(far, "tcp4", "203.0.113.1:8080")
	expectHello(t, conn, err)
	if got := <-clients; got != netip.MustParseAddr("203.0.113.9") {
		t.Errorf("the server sees %s", got)
	}
}

// Clients with IPv6 are seen as they are by servers that speak it, whatever addresses their container has.
func TestAServerSeesAClientWithIPv6(t *testing.T) {
	const client = "2001:db8:1::9"
	for name, c := range map[string]struct {
		ipv6, only bool
		proto, at  string
		sees       func(*network.Attachment) string
	}{
		"a container with IPv6":                     {true, false, "tcp", "[::]:80", itself(client)},
		"one with nothing else":                     {true, true, "tcp6", "[::]:80", itself(client)},
		"one without, which listens everywhere":     {false, false, "tcp", "[::]:80", itself(client)},
		"one without, which listens with IPv6 only": {false, false, "tcp6", "[::]:80", itself(client)},
		"one with IPv6, whose server has none":      {true, false, "tcp4", "0.0.0.0:80", gateway4},
		"one without, whose server has none either": {false, false, "tcp4", "0.0.0.0:80", gateway4},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t)
			a := u.publishedOn(c.ipv6, c.only)
			_, clients := listenOn(t, a.NetNS, c.proto, c.at)
			conn, err := dial(u.publishAfar(a), "tcp6", "[2001:db8:1::1]:8080")
			expectHello(t, conn, err)
			if got, want := (<-clients).Unmap().String(), c.sees(a); got != want {
				t.Errorf("the server sees %s, not %s", got, want)
			}
		})
	}
}

func itself(client string) func(*network.Attachment) string {
	return func(*network.Attachment) string { return client }
}

func gateway4(a *network.Attachment) string { return a.Endpoints[0].Gateway.String() }

// publishedOn connects a container with published ports to a network that has IPv6, too or only, or not.
func (u *user) publishedOn(ipv6, only bool) *network.Attachment {
	n := netconf.Network{Name: "net", IPv6Enabled: ipv6}
	if only {
		n.Subnets = []netconf.Subnet{{Subnet: netip.MustParsePrefix("fd00:6d:6f::/64")}}
	}
	r := u.request("aaaa")
	r.Published, r.Connections = true, []network.Connection{{Network: u.makes(n)}}
	return u.attachWith(r)
}

// What listens on the container's loopback only is not published, to clients of neither kind.
func TestAPortDoesNotLeadToTheLoopback(t *testing.T) {
	u := newUser(t)
	a := u.published("aaaa")
	listenOn(t, a.NetNS, "tcp6", "[::1]:80")
	listenOn(t, a.NetNS, "tcp4", "127.0.0.1:80")
	far := u.publishAfar(a)
	for _, at := range []string{"203.0.113.1:8080", "[2001:db8:1::1]:8080"} {
		conn, err := dial(far, "tcp", at)
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
		if got, err := io.ReadAll(conn); len(got) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("from %s came %q, %v", at, got, err)
		}
		conn.Close()
	}
}

// publishAfar publishes port 80 of a container as 8080 of a namespace that stands for the host, and returns another machine.
func (u *user) publishAfar(a *network.Attachment) (machine *network.Attachment) {
	u.t.Helper()
	var far *os.File
	must(u.t, sys.OnThread(func() (err error) {
		near, err := sys.UnshareNet()
		if err != nil {
			return err
		}
		defer near.Close()
		if far, err = cable(near); err != nil {
			return err
		}
		if err := sys.Setns(near, sys.CloneNet); err != nil {
			return err
		}
		_, err = u.publish(a, spec.PortMapping{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"})
		return err
	}))
	u.t.Cleanup(func() { far.Close() })
	return &network.Attachment{NetNS: far}
}

// cable connects the calling thread's namespace, as 203.0.113.1, with a new one, 203.0.113.9.
func cable(near *os.File) (far *os.File, err error) {
	if far, err = sys.UnshareNet(); err != nil {
		return nil, err
	}
	veth := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: "far", Flags: net.FlagUp}, PeerName: "near",
		PeerNamespace: netlink.NsFd(int(near.Fd())),
	}
	if err := errors.Join(netlink.LinkAdd(veth), address("far", "203.0.113.9/24"), address("far", "2001:db8:1::9/64")); err != nil {
		return nil, err
	}
	return far, sys.InNetNS(near, func() error {
		return errors.Join(address("near", "203.0.113.1/24"), address("near", "2001:db8:1::1/64"))
	})
}

func address(name, cidr string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	addr.Flags = syscall.IFA_F_NODAD
	return errors.Join(netlink.AddrAdd(link, addr), netlink.LinkSetUp(link))
}

// echoing answers each datagram to a port of the container's by the same.
func echoing(t *testing.T, a *network.Attachment) {
	t.Helper()
	var server net.PacketConn
	must(t, sys.InNetNS(a.NetNS, func() (err error) {
		server, err = net.ListenPacket("udp4", "0.0.0.0:53")
		return err
	}))
	t.Cleanup(func() { server.Close() })
	go func() {
		buf := make([]byte, 100)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(buf[:n], from)
		}
	}()
}

// echoed says whether what is said to a UDP port comes back, from there.
func echoed(t *testing.T, from *net.UDPAddr, to, text string) {
	t.Helper()
	at, err := net.ResolveUDPAddr("udp", to)
	must(t, err)
	conn, err := net.DialUDP("udp", from, at)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	_, err = conn.Write([]byte(text))
	must(t, err)
	got := make([]byte, 100)
	n, err := conn.Read(got)
	if string(got[:n]) != text || err != nil {
		t.Errorf("%s sent %q back, %v", to, got[:n], err)
	}
}

// An answer comes from the address that was asked, whichever that is, also an empty one.
func TestDatagramsGoBothWays(t *testing.T) {
	u := newUser(t)
	a := u.published("aaaa")
	s, err := u.publish(a, spec.PortMapping{ContainerPort: 53, Protocol: "udp"}, spec.PortMapping{ContainerPort: 53, Protocol: "udp", HostIP: "0.0.0.0"})
	must(t, err)
	early, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", s.Mappings[0].HostPort))
	must(t, err)
	defer early.Close()
	_, err = early.Write([]byte("nobody listens yet"))
	must(t, err)
	echoing(t, a)
	for _, m := range s.Mappings {
		for _, to := range []string{"127.0.0.1", "127.0.0.2", "[::1]"} {
			if m.HostIP != "" && to == "[::1]" {
				continue
			}
			for _, text := range []string{"ping", ""} {
				echoed(t, nil, fmt.Sprintf("%s:%d", to, m.HostPort), text)
			}
		}
	}
	must(t, early.SetDeadline(time.Now().Add(5*time.Second)))
	_, err = early.Write([]byte("now"))
	must(t, err)
	got := make([]byte, 100)
	n, err := early.Read(got)
	if string(got[:n]) == "nobody listens yet" { // it may have come late
		n, err = early.Read(got)
	}
	if string(got[:n]) != "now" {
		t.Errorf("who was refused first got %q, %v", got[:n], err)
	}
}

// Senders of datagrams may say that they are anybody, and ever new ones.
func TestManySpeakersDoNotTakeEverything(t *testing.T) {
	u := newUser(t)
	a := u.published("aaaa")
	echoing(t, a)
	s, err := u.publish(a, spec.PortMapping{ContainerPort: 53, Protocol: "udp"})
	must(t, err)
	to := fmt.Sprintf("127.0.0.1:%d", s.Mappings[0].HostPort)
	const many, most = 6000, 5000
	for i := range many {
		echoed(t, &net.UDPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}, to, "hello")
	}
	pid, ok := helper.Ports.Pid(u.dir)
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if !ok || err != nil || len(files) > most {
		t.Errorf("%d senders left %d descriptors, %v", many, len(files), err)
	}
}

func TestAPortInUseNamesItsOwner(t *testing.T) {
	u := newUser(t)
	a := u.published("aaaa")
	taken, _ := listen(t, nil, "0.0.0.0:0")
	number := taken.(*net.TCPAddr).Port
	_, err := u.publish(a, spec.PortMapping{HostPort: uint16(number), ContainerPort: 80, Protocol: "tcp"})
	if !errors.Is(err, errdefs.ErrConflict) {
		t.Fatal("want a conflict, got", err)
	}
	for _, part := range []string{fmt.Sprint(number), fmt.Sprintf("(process %d)", os.Getpid())} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestALowPortNamesTheSysctl(t *testing.T) {
	if realRoot() {
		t.Skip("real root may bind every port")
	}
	u := newUser(t)
	a := u.published("aaaa")
	_, err := u.publish(a, spec.PortMapping{HostPort: 81, ContainerPort: 80, Protocol: "tcp"})
	if !errors.Is(err, errdefs.ErrDenied) || !strings.Contains(err.Error(), "net.ipv4.ip_unprivileged_port_start=81") {
		t.Error(err)
	}
}

func TestAClosedServerListensNoMore(t *testing.T) {
	u := newUser(t)
	a := u.published("aaaa")
	s, err := u.publish(a, spec.PortMapping{ContainerPort: 80, Protocol: "tcp"})
	must(t, err)
	must(t, s.Close())
	if conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", s.Mappings[0].HostPort)); err == nil {
		conn.Close()
		t.Error("somebody still listens")
	}
}

// The forwarder runs out of descriptors.
func TestAPortOutlivesACrowdOfClients(t *testing.T) {
	u := newUser(t)
	at := u.serves()
	must(t, exec.Command("prlimit", fmt.Sprintf("--pid=%d", u.forwarderPid()), "--nofile=50:").Run())
	crowd(at)
	eventually(t, "the port to answer again", func() bool { return answers(at) })
}

// crowd connects a hundred clients, which stay for a while.
func crowd(at string) {
	for range 100 {
		if conn, err := net.Dial("tcp4", at); err == nil {
			defer conn.Close()
		}
	}
	time.Sleep(300 * time.Millisecond)
}

// answers says whether a server of listen says what it should.
func answers(at string) bool {
	conn, err := net.Dial("tcp4", at)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	got, _ := io.ReadAll(conn)
	return string(got) == "hello"
}

// A forwarder that is killed is replaced, and no client is refused meanwhile: it waits.
func TestPortsOutliveTheirForwarder(t *testing.T) {
	u := newUser(t)
	at := u.serves()
	for range 3 {
		must(t, syscall.Kill(u.forwarderPid(), syscall.SIGKILL))
		eventually(t, "the forwarder to end", func() bool { _, lives := helper.Ports.Pid(u.dir); return !lives })
		conn, err := net.Dial("tcp4", at)
		must(t, err)
		u.forwarder()
		expectHello(t, conn, nil)
	}
}

// One that hangs is replaced by whoever needs it next.
// While whoever keeps the forwarder informed pauses, it serves, and it is informed again by whoever goes on, also of another program.
func TestPausedPortsAreServed(t *testing.T) {
	u := newUser(t)
	a := u.published("aaaa")
	listen(t, a.NetNS, "0.0.0.0:80")
	p, err := u.publish(a, spec.PortMapping{ContainerPort: 80, Protocol: "tcp"})
	must(t, err)
	at := fmt.Sprintf("127.0.0.1:%d", p.Mappings[0].HostPort)
	served := func(when string) {
		t.Helper()
		t.Log(when)
		conn, err := net.Dial("tcp4", at)
		expectHello(t, conn, err)
	}
	for range 3 {
		sockets, forwarder, ok := p.Pause()
		if !ok || forwarder == nil || len(sockets) != 1 {
			t.Fatalf("left %v and %v, %v", sockets, forwarder, ok)
		}
		served("paused")
		p.Resume()
		served("resumed")
	}
	p.Pause()
	u.endForwarder()
	u.forwarder()
	p.Resume()
	served("informed again")
	// Clients may be served before the forwarder has said that they are. Who pauses in between informs it anew.
	left := false
	for pause := 10 * time.Millisecond; !left && pause < 20*time.Second; pause *= 2 {
		if _, _, left = p.Pause(); !left {
			p.Resume()
			time.Sleep(pause)
		}
	}
	if !left {
		t.Fatal("nobody serves")
	}
	u.endForwarder()
	p.Resume()
	if _, forwarder, ok := p.Pause(); ok {
		t.Fatalf("nobody serves, but left %v", forwarder)
	}
	u.forwarder()
	p.Resume()
	served("informed at last")
	must(t, p.Close())
	if conn, err := net.Dial("tcp4", at); err == nil {
		conn.Close()
		t.Error("the port is open after the end")
	}
}

func TestAForwarderThatHangsIsReplaced(t *testing.T) {
	u := newUser(t)
	at := u.serves()
	old := u.forwarderPid()
	must(t, syscall.Kill(old, syscall.SIGSTOP))
	u.forwarder()
	if u.forwarderPid() == old {
		t.Error("the record still names the old one")
	}
	if !answers(at) {
		t.Error("the port does not answer")
	}
}

// One that is left of another user namespace cannot go to the containers of this one.
func TestAForwarderOfAnotherNamespaceIsReplaced(t *testing.T) {
	u := newUser(t)
	must(t, os.MkdirAll(u.dir, 0o700))
	ready, theirs, err := os.Pipe()
	must(t, err)
	defer ready.Close()
	cmd := exec.Command(program("moss-monitor"))
	cmd.Args = []string{published.Program, u.dir}
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{Size: 1}}, GidMappings: []syscall.SysProcIDMap{{Size: 1}},
	}
	must(t, cmd.Start())
	theirs.Close()
	if said, err := io.ReadAll(ready); string(said) != helper.Ready || err != nil {
		t.Fatalf("it said %q, %v", said, err)
	}
	if u.forwarderPid() != cmd.Process.Pid {
		t.Error("the record names another")
	}
	at := u.serves()
	_ = cmd.Wait() // it was killed
	if !answers(at) {
		t.Error("the port does not answer")
	}
}

// There are more of them than are told of at once, and of both kinds.
func TestManyPortsAreServed(t *testing.T) {
	u := newUser(t)
	a := u.published("aaaa")
	listen(t, a.NetNS, "0.0.0.0:80")
	var list []spec.PortMapping
	for range 2*published.MaxBatch + 1 {
		list = append(list, spec.PortMapping{ContainerPort: 80, Protocol: "tcp"}, spec.PortMapping{ContainerPort: 80, Protocol: "udp"})
	}
	p, err := u.publish(a, list...)
	must(t, err)
	for _, m := range p.Mappings {
		if m.Protocol == "tcp" && !answers(fmt.Sprintf("127.0.0.1:%d", m.HostPort)) {
			t.Errorf("port %d does not answer", m.HostPort)
		}
	}
}

// The containers of a user share one forwarder, and those of a killed monitor have none any more.
func TestAForwarderServesSeveralContainers(t *testing.T) {
	u := newUser(t)
	one, two := u.published("aaaa"), u.published("bbbb")
	listen(t, one.NetNS, "0.0.0.0:80")
	listen(t, two.NetNS, "0.0.0.0:80")
	p, err := u.publish(one, spec.PortMapping{ContainerPort: 80, Protocol: "tcp"})
	must(t, err)
	pid := u.forwarderPid()
	q, err := u.publish(two, spec.PortMapping{ContainerPort: 80, Protocol: "tcp"})
	must(t, err)
	if u.forwarderPid() != pid {
		t.Error("there are two forwarders")
	}
	must(t, p.Close())
	if at := fmt.Sprintf("127.0.0.1:%d", q.Mappings[0].HostPort); !answers(at) {
		t.Error("the other container's port is closed too")
	}
}

// It leaves when nobody publishes anything any more, and its files go with it.
func TestTheForwarderLeaves(t *testing.T) {
	u := newUser(t)
	held, err := u.forwarderOf().Hold(t.Context())
	must(t, err)
	must(t, held.Close())
	eventually(t, "the forwarder to end", func() bool { _, err := os.Stat(helper.Ports.Record(u.dir)); return os.IsNotExist(err) })
	if held, err = u.forwarderOf().Hold(t.Context()); err == nil {
		held.Close()
	}
	must(t, err)
	pid := u.forwarderPid()
	must(t, os.RemoveAll(u.dir)) // also when its directory goes before, as with the end of a session
	eventually(t, "the forwarder to end without its directory", func() bool { _, err := sys.Identify(pid); return err != nil })
}

// A client that has said all still hears the answer, all of it.
func TestAPortCarriesWhatIsLeftWhenOneSideEnds(t *testing.T) {
	u := newUser(t)
	a := u.published("aaaa")
	to := echo(t, a.NetNS, "0.0.0.0", 80)
	s, err := u.publish(a, spec.PortMapping{ContainerPort: uint16(to), Protocol: "tcp"})
	must(t, err)
	conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", s.Mappings[0].HostPort))
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<19)
	var said error
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := conn.Write(sent)
		said = errors.Join(err, conn.(*net.TCPConn).CloseWrite())
	}()
	got, err := io.ReadAll(conn)
	<-done
	if err := errors.Join(err, said); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back: %v", len(got), len(sent), err)
	}
}

// A server that takes no more connections must not keep a port from being closed.
func TestAPortClosesWhileAServerIsDeaf(t *testing.T) {
	u := newUser(t)
	a := u.published("aaaa")
	deaf, err := deafServer(a.NetNS)
	must(t, err)
	defer deaf.Close()
	s, err := u.publish(a, spec.PortMapping{ContainerPort: 80, Protocol: "tcp"})
	must(t, err)
	for range 8 { // more than its backlog
		conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", s.Mappings[0].HostPort))
		must(t, err)
		defer conn.Close()
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		must(t, err)
	case <-time.After(8 * time.Second): // a dial alone may take ten
		t.Fatal("the port waits for a server that does not answer")
	}
}

// deafServer listens at port 80 of a namespace with room for one connection, and accepts none.
func deafServer(ns *os.File) (f *os.File, err error) {
	err = sys.InNetNS(ns, func() error {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		f = os.NewFile(uintptr(fd), "deaf")
		return errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Port: 80}), syscall.Listen(fd, 0))
	})
	return f, err
}
