package network_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// dial connects from a container.
func dial(a *network.Attachment, proto, addr string) (conn net.Conn, err error) {
	err = sys.InNetNS(a.NetNS, func() (err error) {
		conn, err = (&net.Dialer{Timeout: 3 * time.Second}).Dial(proto, addr)
		return err
	})
	return conn, err
}

// listen serves "hello" to all who connect, and reports their addresses.
func listen(t *testing.T, netns *os.File, addr string) (net.Addr, <-chan netip.Addr) {
	t.Helper()
	return listenOn(t, netns, "tcp4", addr)
}

func listenOn(t *testing.T, netns *os.File, proto, addr string) (net.Addr, <-chan netip.Addr) {
	t.Helper()
	var ln net.Listener
	open := func() (err error) { ln, err = net.Listen(proto, addr); return err }
	if netns == nil {
		must(t, open())
	} else {
		must(t, sys.InNetNS(netns, open))
	}
	t.Cleanup(func() { ln.Close() })
	clients := make(chan netip.Addr, 100)
	go func() {
		for {
			conn, err := ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // no descriptors left: see TestAPortOutlivesACrowdOfClients
				time.Sleep(time.Millisecond)
				continue
			}
			select {
			case clients <- conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr():
			default: // nobody wants to know
			}
			_, _ = io.WriteString(conn, "hello")
			conn.Close()
		}
	}()
	return ln.Addr(), clients
}

func hostAddress(t *testing.T) string {
	conn, err := net.Dial("udp4", "192.0.2.1:9")
	if err != nil {
		t.Fatal("this test needs a host with a default route")
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).IP.String()
}

// uplink is the process that the record names.
func (u *user) uplink() sys.Process {
	var rec struct{ Process sys.Process }
	data, err := os.ReadFile(filepath.Join(u.dir, "uplink.json"))
	must(u.t, err)
	must(u.t, json.Unmarshal(data, &rec))
	return rec.Process
}

func expectHello(t *testing.T, conn net.Conn, err error) {
	t.Helper()
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	got, err := io.ReadAll(conn)
	if string(got) != "hello" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func address4(a *network.Attachment) netip.Addr { return a.Endpoints[0].Address.Addr() }

func TestContainersReachTheOutsideAndEachOther(t *testing.T) {
	u := newUser(t)
	a, b := u.attach("aaaa"), u.attach("bbbb")
	outside, _ := listen(t, nil, hostAddress(t)+":0")
	for _, c := range []*network.Attachment{a, b} {
		conn, err := dial(c, "tcp4", outside.String())
		expectHello(t, conn, err)
	}
	inB, clients := listen(t, b.NetNS, "0.0.0.0:0")
	conn, err := dial(a, "tcp4", fmt.Sprintf("%s:%d", address4(b), inB.(*net.TCPAddr).Port))
	expectHello(t, conn, err)
	if got := <-clients; got != address4(a) {
		t.Errorf("one container sees the other as %s", got)
	}
	loop, _ := listen(t, nil, "127.0.0.1:0")
	if conn, err := dial(a, "tcp4", fmt.Sprintf("10.0.2.2:%d", loop.(*net.TCPAddr).Port)); err == nil {
		conn.Close()
		t.Error("a container reaches the host's loopback")
	}
}

func TestContainersResolveNames(t *testing.T) {
	u := newUser(t)
	a := u.attach("aaaa")
	if text := network.ResolvConf(network.ModeSlirp, network.Names{}); !strings.Contains(text, "nameserver 10.0.2.3\n") {
		t.Fatalf("resolv.conf:\n%s", text)
	}
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, proto, _ string) (net.Conn, error) {
		return dial(a, proto, "10.0.2.3:53")
	}}
	// An answer is what is to be seen, not which: the machine may know no names of the outside.
	_, err := r.LookupHost(t.Context(), "debian.org.")
	var dns *net.DNSError
	if ok := errors.As(err, &dns); ok && !dns.IsNotFound && !dns.IsTemporary {
		t.Error(err)
	} else if ok && dns.IsTimeout {
		t.Error("no answer from 10.0.2.3:", err)
	}
}

func TestSixteenAtOnceGetDifferentAddresses(t *testing.T) {
	u := newUser(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[netip.Addr]bool{}
	for i := range 16 {
		wg.Go(func() {
			a, err := u.try(u.request(fmt.Sprint("c", i)))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			if seen[a.Endpoints[0].Address.Addr()] {
				t.Errorf("two have %s", a.Endpoints[0].Address)
			}
			seen[a.Endpoints[0].Address.Addr()] = true
		})
	}
	wg.Wait()
}

func TestAnAddressComesBack(t *testing.T) {
	u := newUser(t)
	first, err := u.try(u.request("aaaa"))
	must(t, err)
	other := u.attach("bbbb")
	first.Close() // all that is left of a container whose processes were killed
	if again := u.attach("aaaa"); address4(again) != address4(first) || address4(again) == address4(other) {
		t.Errorf("got %s, had %s", address4(again), address4(first))
	}
}

// The next one may be another program: what containers were told of the network stays true.
func TestAKilledUplinkIsReplaced(t *testing.T) {
	u := newUser(t)
	a := u.attach("aaaa")
	outside, _ := listen(t, nil, hostAddress(t)+":0")
	for _, next := range append(uplinks(), uplinks()[0]) {
		old := u.uplink()
		must(t, old.Signal(syscall.SIGKILL))
		eventually(t, "the uplink to die", func() bool { return !old.Alive() })
		r := u.request("b" + next.Name())
		r.Uplink.Name = next.Name()
		b := u.attachWith(r)
		if u.uplink() == old {
			t.Fatal("the record still names the old one")
		}
		if link, ok := network.Running(u.dir); !ok || link.Uplink != next.Name() {
			t.Errorf("%s runs, and not %s", link.Uplink, next.Name())
		}
		for _, c := range []*network.Attachment{b, a} {
			if c == a && realRoot() {
				continue // it is in another namespace, with the uplink that was killed
			}
			conn, err := dial(c, "tcp4", outside.String())
			expectHello(t, conn, err)
		}
	}
}

func TestAnUplinkThatIsNotThereIsNamed(t *testing.T) {
	u := newUser(t)
	r := u.request("aaaa")
	r.Uplink.Name = "wire"
	_, err := u.try(r)
	if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), "want moss-uplink, slirp4netns, pasta") {
		t.Error(err)
	}
	t.Setenv("PATH", t.TempDir())
	r.Uplink.Name = "pasta"
	_, err = u.try(r)
	if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "apt install passt") {
		t.Error(err)
	}
}

// A machine where nothing is installed.
func TestMossBringsAnUplink(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	u := newUser(t)
	a := u.attach("aaaa")
	if link, ok := network.Running(u.dir); !ok || link.Uplink != "moss-uplink" {
		t.Errorf("%q runs", link.Uplink)
	}
	outside, _ := listen(t, nil, hostAddress(t)+":0")
	conn, err := dial(a, "tcp4", outside.String())
	expectHello(t, conn, err)
}

func TestTheUplinkHoldsNothingOfWhoeverStartedIt(t *testing.T) {
	inherited, end, err := os.Pipe()
	must(t, err)
	defer inherited.Close()
	defer end.Close()
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, end.Fd(), syscall.F_SETFD, 0); errno != 0 {
		t.Fatal(errno)
	}
	u := newUser(t)
	u.attach("aaaa")
	mine, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", end.Fd()))
	must(t, err)
	fds := fmt.Sprintf("/proc/%d/fd", u.uplink().Pid)
	entries, err := os.ReadDir(fds)
	must(t, err)
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(fds, e.Name())); err == nil && target == mine {
			t.Errorf("it holds our pipe as descriptor %s", e.Name())
		}
	}
}

func TestNothingIsLeftWithoutTheHolder(t *testing.T) {
	u := newUser(t)
	a, err := u.try(u.request("aaaa"))
	must(t, err)
	up := u.uplink()
	a.Close()
	u.leave()
	eventually(t, "the uplink to end", func() bool { return !up.Alive() })
}

func TestOneUplinkServesAll(t *testing.T) {
	u := newUser(t)
	u.attach("aaaa")
	first := u.uplink()
	u.attach("bbbb")
	if u.uplink() != first {
		t.Error("a second uplink was started")
	}
}
