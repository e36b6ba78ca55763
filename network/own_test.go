package network_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// ownModes are networks of a container's own.
var ownModes = []string{"slirp4netns:mtu=4000,cidr=10.7.0.0/24", "slirp4netns:enable_ipv6=false", "pasta", "pasta:-a,10.9.0.5,-n,24,-g,10.9.0.1,-I,eth9"}

func eachOwnMode(t *testing.T, test func(*testing.T, *user, network.Request)) {
	for _, mode := range ownModes {
		t.Run(mode, func(t *testing.T) {
			name, _, _ := strings.Cut(mode, ":")
			needInstalled(t, name)
			u := newUser(t)
			r := u.request("aaaa")
			r.Mode = mode
			test(t, u, r)
		})
	}
}

// serving are the processes of uplinks that serve a namespace, as far as one may see.
func serving(t *testing.T, netns *os.File) (pids []string) {
	t.Helper()
	want, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", netns.Fd()))
	must(t, err)
	entries, err := os.ReadDir("/proc")
	must(t, err)
	for _, e := range entries {
		name, err := os.ReadFile("/proc/" + e.Name() + "/comm")
		if err != nil || !strings.Contains("slirp4netns passt.avx2 pasta.avx2 passt pasta", strings.TrimSpace(string(name))) {
			continue
		}
		for _, fd := range []string{"0", "3"} {
			if got, err := os.Readlink("/proc/" + e.Name() + "/fd/" + fd); err == nil && got == want {
				pids = append(pids, e.Name())
			}
		}
	}
	return pids
}

func TestANetworkOfItsOwnLeadsOutAndEndsWithTheContainer(t *testing.T) {
	eachOwnMode(t, func(t *testing.T, u *user, r network.Request) {
		a, err := u.try(r)
		must(t, err)
		defer a.Close()
		if _, ok := network.Running(u.dir); ok {
			t.Error("the shared uplink runs too")
		}
		outside, _ := listen(t, nil, "0.0.0.0:0")
		to := hostAddress(t)
		if to == a.Endpoints[0].Address.Addr().String() { // it has the host's: that is the container itself
			if conn, err := dial(a, "tcp4", net.JoinHostPort(to, fmt.Sprint(outside.(*net.TCPAddr).Port))); err == nil {
				conn.Close()
				t.Error("somebody listens in the new namespace")
			}
		} else {
			conn, err := dial(a, "tcp4", net.JoinHostPort(to, fmt.Sprint(outside.(*net.TCPAddr).Port)))
			expectHello(t, conn, err)
		}
		if text := network.ResolvConf(r.Mode, network.Names{Resolvers: a.Resolvers}); !strings.Contains(text, "nameserver "+a.Resolvers[0].String()) {
			t.Errorf("resolv.conf: %s", text)
		}
		pids := serving(t, a.NetNS)
		if len(pids) != 1 && realRoot() {
			t.Fatalf("%v serve it", pids)
		}
		netns := a.NetNS
		a.NetNS = nil
		defer netns.Close()
		a.Close()
		eventually(t, "the uplink to end", func() bool { return len(serving(t, netns)) == 0 })
	})
}

func TestANetworkOfItsOwnHasWhatWasAskedFor(t *testing.T) {
	u := newUser(t)
	r := u.request("aaaa")
	r.Mode = ownModes[0]
	a := u.attachWith(r)
	if a.Endpoints[0].Address != netip.MustParsePrefix("10.7.0.100/24") || a.Endpoints[0].Gateway.String() != "10.7.0.2" || a.Resolvers[0].String() != "10.7.0.3" || a.Endpoints[0].Interface != "tap0" {
		t.Errorf("got %+v", a)
	}
	must(t, sys.InNetNS(a.NetNS, func() error {
		tap, err := net.InterfaceByName("tap0")
		if err == nil && tap.MTU != 4000 {
			t.Errorf("the MTU is %d", tap.MTU)
		}
		return err
	}))
	r = u.request("bbbb")
	r.Mode = ownModes[3]
	if a := u.attachWith(r); a.Endpoints[0].Address.String() != "10.9.0.5/24" || a.Endpoints[0].Gateway.String() != "10.9.0.1" || a.Endpoints[0].Interface != "eth9" {
		t.Errorf("got %+v", a)
	}
}

func TestPortsOfANetworkOfItsOwnArePublished(t *testing.T) {
	eachOwnMode(t, func(t *testing.T, u *user, r network.Request) {
		r.Published = true
		a := u.attachWith(r)
		_, clients := listen(t, a.NetNS, "0.0.0.0:80")
		s, err := u.publish(a, spec.PortMapping{ContainerPort: 80, Protocol: "tcp"})
		must(t, err)
		for _, ip := range []string{hostAddress(t), "127.0.0.1"} {
			conn, err := net.Dial("tcp4", net.JoinHostPort(ip, fmt.Sprint(s.Mappings[0].HostPort)))
			expectHello(t, conn, err)
			want := a.Endpoints[0].Gateway.String()
			if ip != "127.0.0.1" && ip != a.Endpoints[0].Address.Addr().String() {
				want = ip
			}
			if got := <-clients; got.String() != want {
				t.Errorf("through %s the server sees %s, not %s", ip, got, want)
			}
		}
	})
}

func TestANetworkOfItsOwnThatCannotBeSaysWhy(t *testing.T) {
	u := newUser(t)
	for mode, want := range map[string]string{
		"slirp4netns:outbound_addr=203.0.113.200": "outbound_addr=203.0.113.200: this machine has no such address",
		"slirp4netns:outbound_addr=no-such0":      "this machine has no interface of that name",
		"slirp4netns:mtu=1":                       "mtu=1: want a number",
		"pasta:--nonsense":                        "unrecognized option '--nonsense'",
		"pasta:--netns,x":                         "--netns: that is moss's to say",
	} {
		t.Run(mode, func(t *testing.T) {
			name, _, _ := strings.Cut(mode, ":")
			needInstalled(t, name)
			r := u.request("aaaa")
			r.Mode = mode
			a, err := u.try(r)
			if err == nil {
				a.Close()
			}
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
				t.Error(err)
			}
			if !errors.Is(err, errdefs.ErrInvalid) && !errors.Is(err, errdefs.ErrUnavailable) {
				t.Errorf("the error is of no kind: %v", err)
			}
		})
	}
}
