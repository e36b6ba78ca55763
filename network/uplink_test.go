package network_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/network/gvisor"
	"github.com/mosscontainers/moss/network/pasta"
	"github.com/mosscontainers/moss/network/slirp"
	"github.com/mosscontainers/moss/network/uplink"
	"github.com/mosscontainers/moss/pkg/sys"
)

// uplinks are all there are. All of them are put to the same tests.
func uplinks() []uplink.Uplink {
	return []uplink.Uplink{slirp.Slirp{}, pasta.Pasta{}, gvisor.Uplink{Program: carried}}
}

// carried is the program that moss carries.
func carried() ([]byte, error) { return os.ReadFile(program("moss-uplink")) }

// eachUplink runs a test for every uplink, with a made-up host that has IPv6 or not.
func eachUplink(t *testing.T, ipv6 bool, test func(*testing.T, *connected)) {
	for _, u := range uplinks() {
		t.Run(u.Name(), func(t *testing.T) {
			needInstalled(t, u.Name())
			if _, err := u.Find(); err != nil {
				t.Fatal(err)
			}
			test(t, &connected{world: newWorld(t, ipv6), uplink: u})
		})
	}
}

// needInstalled skips what needs pasta where it is not: not every release that Moss runs on has it.
func needInstalled(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil && name == pasta.Name {
		t.Skip("this release of Debian or Ubuntu has no passt")
	}
}

// connected is a namespace with an uplink.
type connected struct {
	*world
	uplink uplink.Uplink
	ns     *os.File
	link   *uplink.Link
	writer *os.File // its end is the uplink's
	log    *os.File
}

// connect starts the uplink.
func (c *connected) connect(o uplink.Options) {
	c.t.Helper()
	must(c.t, c.tryConnect(o))
	process := c.link.Process
	c.t.Cleanup(func() { _ = process.Signal(syscall.SIGKILL) })
}

func (c *connected) tryConnect(o uplink.Options) (err error) {
	c.t.Helper()
	if c.ns == nil {
		c.ns, err = network.NewNetNS()
		must(c.t, err)
		c.t.Cleanup(func() { c.ns.Close() })
	}
	fifo := filepath.Join(c.t.TempDir(), "exit")
	must(c.t, sys.MakeFIFO(fifo))
	exit, err := sys.OpenPipeReader(fifo)
	must(c.t, err)
	defer exit.Close()
	writer, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	must(c.t, err)
	c.writer = writer
	c.t.Cleanup(func() { writer.Close() })
	c.log, err = os.CreateTemp(c.t.TempDir(), "log")
	must(c.t, err)
	c.t.Cleanup(func() { c.log.Close() })
	o.NetNS, o.Exit, o.Log = c.ns, exit, c.log
	if o.Interface == "" {
		o.Interface = "tap0"
	}
	return c.onHost(func() (err error) {
		c.link, err = c.uplink.Start(c.t.Context(), o)
		return err
	})
}

// ping asks an address for an echo.
func (c *connected) ping(addr string) error {
	conn, err := c.dialPing(addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	request := []byte{8, 0, 0, 0, 0x12, 0x34, 0, 1, 'h', 'e', 'l', 'l', 'o', '!'}
	sum := uint32(0)
	for i := 0; i < len(request); i += 2 {
		sum += uint32(request[i])<<8 | uint32(request[i+1])
	}
	sum = ^(sum&0xffff + sum>>16)
	request[2], request[3] = byte(sum>>8), byte(sum)
	if _, err := conn.Write(request); err != nil {
		return err
	}
	must(c.t, conn.SetDeadline(time.Now().Add(time.Second)))
	got := make([]byte, 100)
	n, err := conn.Read(got)
	if got = got[min(20, n):n]; err == nil && !bytes.HasSuffix(got, request[4:]) { // after the IP header
		err = fmt.Errorf("got something else: %x", got)
	}
	return err
}

func (c *connected) dialPing(addr string) (conn net.Conn, err error) {
	err = sys.InNetNS(c.ns, func() (err error) {
		conn, err = net.Dial("ip4:icmp", addr)
		return err
	})
	return conn, err
}

// skipUnsound leaves out what is known to go wrong with the version that is installed, for which moss prefers another uplink.
func (c *connected) skipUnsound() {
	c.t.Helper()
	if !c.uplink.Sound() {
		c.t.Skip("this version cannot: see pasta.Sound")
	}
}

// dial connects from the namespace.
func (c *connected) dial(proto, addr string, port int) (conn net.Conn, err error) {
	err = sys.InNetNS(c.ns, func() (err error) {
		dialer := net.Dialer{Timeout: 5 * time.Second}
		conn, err = dialer.Dial(proto, net.JoinHostPort(addr, strconv.Itoa(port)))
		return err
	})
	return conn, err
}

// repeats says whether there is somebody who answers with what was said.
func (c *connected) repeats(proto, addr string, port int, what []byte) error {
	conn, err := c.dial(proto, addr, port)
	if err != nil {
		return err
	}
	defer conn.Close()
	// pasta speaks from the port that it is spoken from, which the server has if that is the same.
	if at, ok := conn.LocalAddr().(*net.UDPAddr); ok && at.Port == port {
		return c.repeats(proto, addr, port, what)
	}
	got, patience := make([]byte, len(what)), 5*time.Second
	if proto == "udp" {
		patience = 500 * time.Millisecond
	}
	for range 6 {
		must(c.t, conn.SetDeadline(time.Now().Add(patience)))
		if _, err = conn.Write(what); err != nil {
			return err
		}
		// A datagram may be lost.
		if _, err = io.ReadFull(conn, got); proto == "tcp" || !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	if err == nil && !bytes.Equal(got, what) {
		err = fmt.Errorf("got something else: %.100q", got)
	}
	return err
}

func (c *connected) mustRepeat(proto, addr string, port int, what []byte) {
	c.t.Helper()
	if err := c.repeats(proto, addr, port, what); err != nil {
		c.t.Errorf("%s to %s port %d: %v", proto, addr, port, err)
	}
}

func TestAnUplinkLeadsOut(t *testing.T) {
	eachUplink(t, false, func(t *testing.T, c *connected) {
		c.connect(uplink.Options{IPv6: true})
		if c.link.IPv6 != (uplink.Addresses{}) {
			t.Error("it says that there is IPv6, which the host has not")
		}
		for _, at := range []struct {
			ns   *os.File
			addr string
		}{{c.host, hostIPv4}, {c.far, farIPv4}} {
			port := echo(t, at.ns, at.addr, 0)
			c.mustRepeat("tcp", at.addr, port, []byte("hello"))
			c.mustRepeat("udp", at.addr, port, []byte("hello"))
		}
	})
}

func TestAnUplinkLeadsOutByIPv6(t *testing.T) {
	eachUplink(t, true, func(t *testing.T, c *connected) {
		c.connect(uplink.Options{IPv6: true})
		if !c.link.IPv6.Own.IsValid() {
			t.Fatal("it says that there is no IPv6, which the host has")
		}
		for _, at := range []struct {
			ns   *os.File
			addr string
		}{{c.host, hostIPv6}, {c.far, farIPv6}, {c.far, farIPv4}} {
			port := echo(t, at.ns, at.addr, 0)
			c.mustRepeat("tcp", at.addr, port, []byte("hello"))
			c.mustRepeat("udp", at.addr, port, []byte("hello"))
		}
	})
}

func TestAnUplinkWithoutIPv6StaysWithout(t *testing.T) {
	eachUplink(t, true, func(t *testing.T, c *connected) {
		c.connect(uplink.Options{})
		port := echo(t, c.far, farIPv6, 0)
		if err := c.repeats("tcp", farIPv6, port, []byte("hello")); err == nil {
			t.Error("it leads out by IPv6")
		}
		c.mustRepeat("tcp", farIPv4, echo(t, c.far, farIPv4, 0), []byte("hello"))
	})
}

func TestAnUplinkAnswersNames(t *testing.T) {
	eachUplink(t, false, func(t *testing.T, c *connected) {
		echo(t, c.host, hostIPv4, 53)
		c.connect(uplink.Options{})
		c.mustRepeat("udp", c.link.IPv4.DNS.String(), 53, []byte("who?"))
	})
}

// Many hosts have a resolver of their own at an address that only they can reach.
func TestAnUplinkAsksAResolverOnTheHostsLoopback(t *testing.T) {
	eachUplink(t, false, func(t *testing.T, c *connected) {
		c.resolvers("# made by a program\nsearch example.com\nnameserver 127.0.0.53\n")
		echo(t, c.host, "127.0.0.53", 53)
		c.connect(uplink.Options{})
		c.mustRepeat("udp", c.link.IPv4.DNS.String(), 53, []byte("who?"))
	})
}

func TestAnUplinkGivesTheInterfaceWhatItSays(t *testing.T) {
	eachUplink(t, true, func(t *testing.T, c *connected) {
		c.connect(uplink.Options{MTU: 4000, Subnet: netip.MustParsePrefix("10.77.0.0/16"), IPv6: true, Interface: "way0"})
		must(t, sys.InNetNS(c.ns, func() error {
			way, err := netlink.LinkByName("way0")
			if err != nil {
				return err
			}
			if got := way.Attrs().MTU; got != 4000 || c.link.MTU != 4000 {
				t.Errorf("the MTU is %d, and it says %d", got, c.link.MTU)
			}
			addrs, err := netlink.AddrList(way, netlink.FAMILY_ALL)
			for _, want := range []netip.Prefix{c.link.IPv4.Own, c.link.IPv6.Own} {
				if !strings.Contains(fmt.Sprint(addrs), want.String()) {
					t.Errorf("it has %v, and not %s", addrs, want)
				}
			}
			return err
		}))
		if c.link.IPv4.Own.String() != "10.77.0.100/16" || c.link.IPv4.Gateway.String() != "10.77.0.2" {
			t.Errorf("it says %+v", c.link.IPv4)
		}
		port := echo(t, c.far, farIPv4, 0)
		c.mustRepeat("udp", farIPv4, port, bytes.Repeat([]byte("long"), 900))
		c.mustRepeat("tcp", farIPv4, port, bytes.Repeat([]byte("long"), 5000))
	})
}

func TestAnUplinkTakesPacketsOfAllSizes(t *testing.T) {
	eachUplink(t, false, func(t *testing.T, c *connected) {
		c.connect(uplink.Options{})
		port := echo(t, c.host, hostIPv4, 0)
		for _, size := range []int{1, 1472, 9000, 65000} {
			c.mustRepeat("udp", hostIPv4, port, bytes.Repeat([]byte{'x'}, size))
		}
	})
}

func TestAnUplinkLosesNothingOfALargeTransfer(t *testing.T) {
	const size = 64 << 20
	eachUplink(t, false, func(t *testing.T, c *connected) {
		c.skipUnsound() // its one stream may stand still for good, as it does in docs/benchmarks.md
		c.connect(uplink.Options{})
		port := echo(t, c.far, farIPv4, 0)
		conn, err := c.dial("tcp", farIPv4, port)
		must(t, err)
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		sent, got := sha256.New(), sha256.New()
		var wg sync.WaitGroup
		wg.Go(func() {
			noise := rand.NewChaCha8([32]byte{})
			if _, err := io.CopyN(io.MultiWriter(conn, sent), noise, size); err != nil {
				t.Error(err)
			}
		})
		n, err := io.CopyN(got, conn, size)
		wg.Wait()
		if err != nil || n != size || !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
			t.Errorf("%d bytes came back, or others: %v", n, err)
		}
	})
}

func TestAnUplinkLetsOneSideEndBeforeTheOther(t *testing.T) {
	eachUplink(t, false, func(t *testing.T, c *connected) {
		c.skipUnsound()
		c.connect(uplink.Options{})
		port := echo(t, c.far, farIPv4, 0)
		conn, err := c.dial("tcp", farIPv4, port)
		must(t, err)
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
		_, err = io.WriteString(conn, "all that I say")
		must(t, errors.Join(err, conn.(*net.TCPConn).CloseWrite()))
		if got, err := io.ReadAll(conn); string(got) != "all that I say" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestAnUplinkServesManyAtOnce(t *testing.T) {
	eachUplink(t, false, func(t *testing.T, c *connected) {
		c.connect(uplink.Options{})
		port := echo(t, c.host, hostIPv4, 0)
		var wg sync.WaitGroup
		for i := range 300 {
			wg.Go(func() {
				proto := []string{"tcp", "udp"}[i%2]
				c.mustRepeat(proto, hostIPv4, port, fmt.Appendf(nil, "number %d", i))
			})
		}
		wg.Wait()
	})
}

func TestAnUplinkRefusesWhatTheHostRefuses(t *testing.T) {
	eachUplink(t, false, func(t *testing.T, c *connected) {
		c.skipUnsound()
		c.connect(uplink.Options{})
		if err := c.repeats("tcp", farIPv4, 9, []byte("hello")); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a port where nobody listens: %v", err)
		}
	})
}

func TestAnUplinkPassesPingsOn(t *testing.T) {
	eachUplink(t, false, func(t *testing.T, c *connected) {
		must(t, c.onHost(func() error {
			return os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0)
		}))
		c.connect(uplink.Options{})
		if err := c.ping(farIPv4); err != nil {
			t.Error(err)
		}
		if err := c.ping("203.0.113.123"); err == nil {
			t.Error("it says that somebody is there who is not")
		}
	})
}

// Those that look again: pasta reads resolv.conf once.
func TestAnUplinkAsksTheResolversOfTheMoment(t *testing.T) {
	eachUplink(t, false, func(t *testing.T, c *connected) {
		if c.uplink.Name() == pasta.Name {
			t.Skip("pasta does not look again")
		}
		c.resolvers("nameserver 203.0.113.250\n")
		c.connect(uplink.Options{})
		c.resolvers("nameserver 127.0.0.1\n")
		echo(t, c.host, "127.0.0.1", 53)
		for _, proto := range []string{"udp", "tcp"} {
			c.mustRepeat(proto, c.link.IPv4.DNS.String(), 53, []byte("who?"))
		}
	})
}

func TestAnUplinkKeepsTheHostsLoopback(t *testing.T) {
	eachUplink(t, true, func(t *testing.T, c *connected) {
		c.connect(uplink.Options{IPv6: true})
		port4, port6 := echo(t, c.host, "127.0.0.1", 0), echo(t, c.host, "::1", 0)
		must(t, sys.InNetNS(c.ns, routeLoopback))
		var wg sync.WaitGroup
		for _, to := range []struct {
			addr netip.Addr
			port int
		}{
			{c.link.IPv4.Gateway, port4},
			{c.link.IPv4.DNS, port4},
			{netip.MustParseAddr("127.0.0.1"), port4},
			{netip.MustParseAddr("127.9.9.9"), port4},
			{c.link.IPv6.Gateway, port6},
			{c.link.IPv6.DNS, port6},
		} {
			for _, proto := range []string{"tcp", "udp"} {
				wg.Go(func() {
					if err := c.repeats(proto, to.addr.String(), to.port, []byte("let me in")); err == nil {
						t.Errorf("%s to %s reaches the host's loopback", proto, to.addr)
					}
				})
			}
		}
		wg.Wait()
	})
}

// routeLoopback has the namespace of the calling thread send what is for 127.0.0.0/8 out: whoever is root in it can do that.
func routeLoopback() error {
	for _, name := range []string{"all", "tap0"} {
		if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+name+"/route_localnet", []byte("1"), 0); err != nil {
			return err
		}
	}
	rules, err := netlink.RuleList(netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	local := netlink.NewRule()
	local.Family, local.Table, local.Priority = netlink.FAMILY_V4, 255, 200
	main := netlink.NewRule()
	main.Family, main.Table, main.Priority = netlink.FAMILY_V4, 254, 100
	if err := errors.Join(netlink.RuleAdd(main), netlink.RuleAdd(local)); err != nil {
		return err
	}
	return netlink.RuleDel(&rules[0])
}

func TestAnUplinkLeadsToTheHostsLoopbackWhenAsked(t *testing.T) {
	eachUplink(t, false, func(t *testing.T, c *connected) {
		c.connect(uplink.Options{HostLoopback: true})
		port := echo(t, c.host, "127.0.0.1", 0)
		c.mustRepeat("tcp", c.link.IPv4.Gateway.String(), port, []byte("hello"))
	})
}

func TestAnUplinkConnectsFromTheAddressThatIsAsked(t *testing.T) {
	eachUplink(t, false, func(t *testing.T, c *connected) {
		must(t, c.onHost(func() error { return address("wire", "203.0.113.77/24") }))
		c.connect(uplink.Options{Outbound4: "203.0.113.77"})
		at, clients := listen(t, c.far, farIPv4+":0")
		conn, err := c.dial("tcp", farIPv4, at.(*net.TCPAddr).Port)
		expectHello(t, conn, err)
		if got := <-clients; got.String() != "203.0.113.77" {
			t.Errorf("the server sees %s", got)
		}
	})
}

func TestAnUplinkEndsWithItsPipe(t *testing.T) {
	eachUplink(t, false, func(t *testing.T, c *connected) {
		c.connect(uplink.Options{})
		if !c.link.Process.Alive() {
			t.Fatal("it does not live")
		}
		c.writer.Close()
		eventually(t, "the uplink to end", func() bool { return !c.link.Process.Alive() })
	})
}

func TestAnUplinkSaysWhereItsNamespaceIs(t *testing.T) {
	eachUplink(t, false, func(t *testing.T, c *connected) {
		c.connect(uplink.Options{})
		ns, err := os.Open(c.link.NetNS)
		if err != nil && !realRoot() {
			t.Skip("who is not real root finds it otherwise: ", err)
		}
		must(t, err)
		defer ns.Close()
		got, err := sys.Inode(ns)
		must(t, err)
		if want, err := sys.Inode(c.ns); err != nil || got != want {
			t.Errorf("it names another: %v", err)
		}
	})
}

func TestAnUplinkThatCannotStartSaysWhy(t *testing.T) {
	eachUplink(t, false, func(t *testing.T, c *connected) {
		c.connect(uplink.Options{})
		err := c.tryConnect(uplink.Options{}) // the interface is there already
		if err == nil {
			t.Fatal("two have made the same interface")
		}
		t.Log(err)
		if !strings.HasPrefix(err.Error(), "cannot connect to the network: "+c.uplink.Name()+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q does not say so in a sentence", err)
		}
	})
}

// The others are small by themselves, or are what they are.
func TestTheCarriedUplinkIsThereWhileSomebodyUsesIt(t *testing.T) {
	c := &connected{world: newWorld(t, false), uplink: gvisor.Uplink{Program: carried}}
	c.connect(uplink.Options{})
	if n := len(children(t, c.link.Process.Pid)); n != 0 {
		t.Errorf("%d programs run before anybody has said anything", n)
	}
	// Moss itself, which is linked statically, takes 0.1 MB.
	if size := resident(t, c.link.Process.Pid); size > 2<<20 {
		t.Errorf("waiting takes %d bytes", size)
	}
	port := echo(t, c.far, farIPv4, 0)
	for range 2 {
		c.mustRepeat("tcp", farIPv4, port, bytes.Repeat([]byte("much"), 1<<20))
		left := func() bool { return len(children(t, c.link.Process.Pid)) == 0 }
		for range 3 {
			if left() {
				break
			}
			time.Sleep(4 * time.Second) // it leaves after five to ten
		}
		eventually(t, "the program to leave", left)
	}
}

func TestTheCarriedUplinkIsSmallWhileAConnectionIsQuiet(t *testing.T) {
	c := &connected{world: newWorld(t, false), uplink: gvisor.Uplink{Program: carried}}
	c.connect(uplink.Options{})
	conn, err := c.dial("tcp", farIPv4, echo(t, c.far, farIPv4, 0))
	must(t, err)
	defer conn.Close()
	exchange(t, conn, bytes.Repeat([]byte("much"), 1<<20))
	serving := children(t, c.link.Process.Pid)
	if len(serving) != 1 {
		t.Fatalf("%d programs serve a connection", len(serving))
	}
	time.Sleep(11 * time.Second) // in which it would have left
	eventually(t, "the program to be small", func() bool { return resident(t, serving[0]) < 5<<20 })
	exchange(t, conn, []byte("still there?"))
	if now := children(t, c.link.Process.Pid); !slices.Equal(now, serving) {
		t.Errorf("%v serves, after %v", now, serving)
	}
}

// meet listens far away, and gives both ends of connections with there.
func (c *connected) meet() func() (client, server net.Conn) {
	c.t.Helper()
	var listener net.Listener
	must(c.t, sys.InNetNS(c.far, func() (err error) {
		listener, err = net.Listen("tcp4", farIPv4+":0")
		return err
	}))
	c.t.Cleanup(func() { listener.Close() })
	return func() (client, server net.Conn) {
		c.t.Helper()
		client, err := c.dial("tcp", farIPv4, listener.Addr().(*net.TCPAddr).Port)
		must(c.t, err)
		server, err = listener.Accept()
		must(c.t, err)
		c.t.Cleanup(func() { client.Close(); server.Close() })
		return client, server
	}
}

// What nobody reads is in the memory of the uplink, which no container's limit bounds.
func TestTheCarriedUplinkTakesLittleForManyWhomNobodyHears(t *testing.T) {
	const few, many, most = 64, 200, 512 << 10
	for _, deaf := range []string{"servers", "clients"} {
		t.Run(deaf, func(t *testing.T) {
			c := &connected{world: newWorld(t, false), uplink: gvisor.Uplink{Program: carried}}
			c.connect(uplink.Options{})
			pair := c.meet()
			size := func(more int) int {
				speakers := make([]net.Conn, more)
				for i := range speakers {
					client, server := pair()
					for _, conn := range []net.Conn{client, server} { // the kernel's share
						tcp := conn.(*net.TCPConn)
						must(t, errors.Join(tcp.SetReadBuffer(64<<10), tcp.SetWriteBuffer(64<<10)))
					}
					if speakers[i] = client; deaf == "clients" {
						speakers[i] = server
					}
				}
				var wg sync.WaitGroup
				for _, speaker := range speakers {
					wg.Go(func() { speak(speaker) })
				}
				wg.Wait()
				return resident(t, children(t, c.link.Process.Pid)[0])
			}
			before := size(few)
			if each := (size(many) - before) / many; each > most {
				t.Errorf("%d bytes for each beyond %d", each, few)
			}
		})
	}
}

// speak says much, until nothing has been taken for a while.
func speak(conn net.Conn) {
	for said, n := 0, 1; n > 0 && said < 16<<20; said += n {
		_ = conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)) // if it is closed, so is this over
		n, _ = conn.Write(make([]byte, 64<<10))
	}
}

// Whoever is reset is to know that not all was said.
func TestTheCarriedUplinkPassesResetsOn(t *testing.T) {
	c := &connected{world: newWorld(t, false), uplink: gvisor.Uplink{Program: carried}}
	c.connect(uplink.Options{})
	pair := c.meet()
	for _, who := range []string{"the client", "the server"} {
		client, server := pair()
		one, other := client, server
		if who == "the server" {
			one, other = server, client
		}
		exchangeBetween(t, one, other, []byte("hello"))
		must(t, errors.Join(one.(*net.TCPConn).SetLinger(0), one.Close(), other.SetDeadline(time.Now().Add(10*time.Second))))
		if _, err := other.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s resets the connection, and the other side sees %v", who, err)
		}
		other.Close()
	}
}

// Whoever is killed is started again by the next who says something, and what was open is refused and does not hang.
func TestTheCarriedUplinkServesAgainAfterItWasKilled(t *testing.T) {
	c := &connected{world: newWorld(t, false), uplink: gvisor.Uplink{Program: carried}}
	c.connect(uplink.Options{})
	port := echo(t, c.far, farIPv4, 0)
	conn, err := c.dial("tcp", farIPv4, port)
	must(t, err)
	defer conn.Close()
	exchange(t, conn, []byte("hello"))
	for _, pid := range children(t, c.link.Process.Pid) {
		must(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, "still there?")
	must(t, err)
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a connection of the one that was killed: %v", err)
	}
	c.mustRepeat("tcp", farIPv4, port, []byte("hello"))
}

// The keeper's end is the program's: a second one would serve the same interface otherwise.
func TestTheCarriedUplinkEndsWithItsKeeper(t *testing.T) {
	c := &connected{world: newWorld(t, false), uplink: gvisor.Uplink{Program: carried}}
	c.connect(uplink.Options{})
	conn, err := c.dial("tcp", farIPv4, echo(t, c.far, farIPv4, 0))
	must(t, err)
	defer conn.Close()
	serving := children(t, c.link.Process.Pid)
	must(t, c.link.Process.Signal(syscall.SIGKILL))
	for _, pid := range serving {
		eventually(t, "the program to end", func() bool {
			_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
			return err != nil
		})
	}
	if len(serving) != 1 {
		t.Errorf("%d programs served", len(serving))
	}
}

// exchange says something that is repeated.
func exchange(t *testing.T, conn net.Conn, what []byte) {
	t.Helper()
	exchangeBetween(t, conn, conn, what)
}

// exchangeBetween says something at one place that comes out at another.
func exchangeBetween(t *testing.T, in, out net.Conn, what []byte) {
	t.Helper()
	must(t, out.SetDeadline(time.Now().Add(10*time.Second)))
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := in.Write(what); err != nil {
			t.Error(err)
		}
	})
	got := make([]byte, len(what))
	_, err := io.ReadFull(out, got)
	wg.Wait()
	if err != nil || !bytes.Equal(got, what) {
		t.Errorf("what came back is not what was said: %v", err)
	}
}

// children are the processes that a process with one thread has started.
func children(t *testing.T, pid int) (pids []int) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	must(t, err)
	for _, word := range strings.Fields(string(data)) {
		child, err := strconv.Atoi(word)
		must(t, err)
		pids = append(pids, child)
	}
	return pids
}

// resident is the memory of a process in bytes.
func resident(t *testing.T, pid int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	must(t, err)
	var size, pages int
	_, err = fmt.Sscan(string(data), &size, &pages)
	must(t, err)
	return pages * os.Getpagesize()
}
